// What a device says when tensors do not fit.

import type { MemoryLimits } from "./cpuMemory.ts";
import { OutOfMemoryError } from "./errors.ts";

/** @param held bytes in use @param bytes that were asked for */
export function outOfMemory(
  { eachBytes, totalBytes }: MemoryLimits,
  held: number,
  bytes: number,
): OutOfMemoryError {
  const limit =
    held + bytes > totalBytes
      ? `all tensors must fit in ${binary(totalBytes)}, got ${binary(held + bytes)} (${binary(held)} in use)`
      : `the tensors of one kernel must fit in ${binary(eachBytes)} of WebAssembly memory, got ${binary(bytes)} more`;
  return new OutOfMemoryError(
    `cpu: ${limit}. Use LoRA, weights in bf16, gradient checkpointing, a smaller batch or shorter sequences.`,
  );
}

function binary(bytes: number): string {
  if (bytes < 2 ** 20) return `${bytes} bytes`;
  return bytes < 2 ** 30
    ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
    : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
