// Named tensors to a safetensors file and back, bit for bit, one at a time.

import { dtypes } from "../../tensor/dtype.ts";
import { CheckpointError, invariant } from "../../tensor/errors.ts";
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
  type SafetensorsInput,
} from "../../tensor/safetensors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import type { Stored } from "../stored.ts";

type FileArray = Float32Array | Float64Array | Uint16Array | Int32Array | Uint32Array;

function fileDtype(x: Stored): SafetensorsInput["dtype"] {
  const { safetensors } = dtypes[x.dtype];
  invariant(safetensors, () => `no ${x.dtype} tensors in checkpoints`);
  return safetensors;
}

function readStored(x: Stored): Promise<FileArray> {
  return "device" in x ? x.device.readStored(x.storage, x.dtype, x.size) : x.read();
}

/** @throws {GradloomError} when the file cannot be written */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, Stored>,
): Promise<void> {
  const inputs = new Map<string, SafetensorsInput>();
  for (const [name, x] of tensors) {
    // Read when its turn comes, so that one copy at a time is in memory.
    const data = (): Promise<FileArray> => readStored(x);
    inputs.set(name, { dtype: fileDtype(x), shape: x.shape, data });
  }
  await writeSafetensors(path, inputs, { format: "pt" });
}

/**
 * Overwrites the elements of `tensors` with those of a file; tensors of other names in it are ignored.
 * @throws {CheckpointError} before anything is overwritten, when one is missing or of another shape or dtype
 * @throws {SafetensorsError} when the file is missing or damaged
 */
export async function readTensors(
  path: string,
  tensors: ReadonlyMap<string, Stored>,
): Promise<void> {
  await withFitting(path, tensors, async (file) => {
    for (const [name, x] of tensors) {
      const { data } = await file.read(name);
      if ("device" in x) x.device.write(x.storage, x.dtype, data as FileArray);
      else x.write(data as FileArray);
    }
  });
}

/** Whether `readTensors` would succeed, from the file's header alone. @throws as readTensors */
export async function checkTensors(
  path: string,
  tensors: ReadonlyMap<string, Stored>,
): Promise<void> {
  await withFitting(path, tensors, () => Promise.resolve());
}

async function withFitting(
  path: string,
  tensors: ReadonlyMap<string, Stored>,
  work: (file: SafetensorsFile) => Promise<void>,
): Promise<void> {
  const file = await openSafetensors(path);
  try {
    for (const [name, x] of tensors) {
      const entry = file.entries.get(name);
      const wanted = `${fileDtype(x)} ${formatShape(x.shape)}`;
      if (entry?.dtype === fileDtype(x) && sameShape(entry.shape, x.shape)) continue;
      throw new CheckpointError(
        `${path}: must hold ${name} as ${wanted}, got ${entry ? `${entry.dtype} ${formatShape(entry.shape)}` : "no such tensor"}. ` +
          "Does the checkpoint belong to this model?",
      );
    }
    await work(file);
  } finally {
    await file.close();
  }
}
