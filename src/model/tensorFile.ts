// A file of tensors in either format, by its name as transformers and peft tell them apart.

import {
  openSafetensors,
  type SafetensorsData,
  type SafetensorsDtype,
  type SafetensorsTensor,
} from "../tensor/safetensors.ts";
import type { Shape } from "../tensor/shape.ts";
import type { ModelFolder } from "./modelFolder.ts";
import { openTorchFile } from "./torchFile/torchFile.ts";

/** A tensor as the file holds it: 16-bit floats as their bits, Q8 as blocks (quantized.ts). */
export type StoredTensor =
  SafetensorsTensor | { readonly dtype: "Q8"; readonly shape: Shape; readonly data: Uint32Array };

export interface StoredShape {
  readonly dtype: SafetensorsDtype | "Q8";
  readonly shape: Shape;
}

/** An open file, read tensor by tensor. */
export interface TensorFile {
  /** Name of the file, for messages. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, StoredShape>;
  read(name: string): Promise<StoredTensor>;
  /** Elements first..last of a floating-point tensor, row-major; absent where a file is read tensor by tensor alone. */
  readPart?(name: string, first: number, last: number): Promise<SafetensorsData>;
  close(): Promise<void>;
}

/** Open weight files, read tensor by tensor. */
export interface WeightFiles {
  /** What messages call it: the file, or the index of the shards. */
  readonly source: string;
  /** dtype and shape of every tensor, in the order of the files. */
  readonly names: ReadonlyMap<string, StoredShape>;
  /** @throws {SafetensorsError | CheckpointError} when there is no tensor `name` */
  read(name: string): Promise<StoredTensor>;
  /** Elements first..last of a floating-point tensor, row-major; absent where files are read tensor by tensor alone. */
  readPart?(name: string, first: number, last: number): Promise<SafetensorsData>;
  close(): Promise<void>;
}

/**
 * Opens a file of a folder: one of torch.save if its name ends in .bin, else safetensors.
 * @throws {CheckpointError} when a .bin file is damaged, or holds more than a dictionary of tensors
 * @throws {SafetensorsError} when another file is not valid safetensors
 */
export function openTensorFile(folder: ModelFolder, name: string): Promise<TensorFile> {
  const place = folder.locate(name);
  return name.endsWith(".bin") ? openTorchFile(place) : openSafetensors(place);
}
