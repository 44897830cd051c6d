// What a model or an adapter is saved as: files in a folder, or by name where there is no disk (browsers).

import { dtypes, isFloat } from "../tensor/dtype.ts";
import {
  safetensorsChunks,
  writeSafetensors,
  type SafetensorsInput,
} from "../tensor/safetensorsWriter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { files } from "../tensor/files/files.ts";
import { writeAtomically } from "../tensor/writeAtomically.ts";
import { requireThat } from "../tensor/requireTensors.ts";

export interface SavedFiles {
  /** By name. */
  readonly texts: Readonly<Record<string, string>>;
  readonly weights: { readonly file: string; readonly tensors: ReadonlyMap<string, Tensor> };
}

/** transformers and peft refuse files without it. */
const METADATA = { format: "pt" };

/**
 * @param folder is made when it does not exist
 * @throws {GradloomError} when a file cannot be written
 */
export async function writeFiles(folder: string, { texts, weights }: SavedFiles): Promise<void> {
  const isPath = typeof folder === "string" && folder !== "";
  requireThat(isPath, "savePretrained", "folder must be a path", folder, "Name one.");
  await files.makeFolder(folder);
  for (const [name, text] of Object.entries(texts)) {
    await writeAtomically(`${folder}/${name}`, [new TextEncoder().encode(text)]);
  }
  await writeSafetensors(`${folder}/${weights.file}`, stored(weights.tensors), METADATA);
}

/** The files by name, byte for byte what `writeFiles` writes. */
export async function toBlobs({ texts, weights }: SavedFiles): Promise<Map<string, Blob>> {
  const parts: Blob[] = [];
  for await (const chunk of safetensorsChunks(stored(weights.tensors), METADATA)) {
    // Browsers keep large Blobs outside the page's memory, one tensor at a time.
    parts.push(new Blob([new Uint8Array(chunk)]));
  }
  const files = Object.entries(texts).map(([name, text]) => [name, new Blob([text])] as const);
  return new Map([...files, [weights.file, new Blob(parts)]]);
}

/** Weights as the file holds them: full floats, or the raw 16-bit words; read from the device when their turn comes. */
function stored(tensors: ReadonlyMap<string, Tensor>): Map<string, SafetensorsInput> {
  return new Map(
    [...tensors].map(([name, x]) => {
      const { safetensors: dtype } = dtypes[x.dtype];
      if (dtype === null || !isFloat(x.dtype))
        throw new Error(`internal: a ${x.dtype} weight cannot be saved`);
      const data = () => x.device.readStored(x.storage, x.dtype, x.size);
      return [name, { dtype, shape: x.shape, data }];
    }),
  );
}
