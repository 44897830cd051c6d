// Tensors of golden files as tests take them.

import type { readSafetensors } from "../../src/tensor/safetensors.ts";

export type GoldenFile = Awaited<ReturnType<typeof readSafetensors>>;

/** Rows of token ids from an I64 tensor [B, L] of the file. */
export function rows(file: GoldenFile, name: string): number[][] {
  const { shape, data } = file.tensors.get(name)!;
  const [count, width] = shape as [number, number];
  const flat = Array.from(data as BigInt64Array, Number);
  return Array.from({ length: count }, (_, i) => flat.slice(i * width, (i + 1) * width));
}

export function floats(file: GoldenFile, name: string): Float32Array {
  return file.tensors.get(name)!.data as Float32Array;
}

export function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
