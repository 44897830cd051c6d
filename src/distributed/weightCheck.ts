// Whether all ranks hold the same weights, bit for bit.

import { DistributedError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ProcessGroup } from "./processGroup.ts";

/** Updates between two checks: a check reads every weight once, as little as a hundredth of a step on a CPU. */
export const STEPS_BETWEEN_CHECKS = 100;

/**
 * Compares a hash of every tensor over the ranks.
 * @param step updates so far, for the message
 * @throws {DistributedError} on every rank, naming the first tensor that differs and the ranks that differ from most
 */
export async function checkSameWeights(
  group: ProcessGroup,
  tensors: ReadonlyMap<string, Tensor>,
  step: number,
): Promise<void> {
  if (group.size === 1) return;
  const own: [string, number][] = [];
  for (const [name, x] of tensors) own.push([name, await hashOf(x)]);
  const all = await group.gather(own);
  const names = all.map((hashes) => hashes.map(([name]) => name).join());
  complain(names, "the names of its weights", step);
  for (const [i, [name]] of own.entries()) {
    complain(
      all.map((hashes) => hashes[i]![1]),
      name,
      step,
    );
  }
}

function complain(values: readonly (string | number)[], what: string, step: number): void {
  if (values.every((value) => value === values[0])) return;
  const counts = new Map<string | number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [usual] = [...counts].sort((a, b) => b[1] - a[1])[0]!;
  const ranks = values.flatMap((value, rank) => (value === usual ? [] : [rank]));
  throw new DistributedError(
    `train: all ranks must hold the same weights, got other ones on rank ${ranks.join(", ")} at step ${step} (${what}). ` +
      "Give all ranks the same model, arguments and library, and do not change weights in callbacks of one rank.",
  );
}

/** FNV-1a over the words of the elements as they are stored. */
async function hashOf({ device, storage, dtype, size }: Tensor): Promise<number> {
  const pinned = device.pin(storage, dtype, size);
  const values = pinned?.array ?? (await device.readStored(storage, dtype, size));
  const words = wordsOf(values);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i]!, 0x01000193);
  pinned?.release();
  return hash >>> 0;
}

function wordsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint32Array | Uint8Array {
  return byteLength % 4 === 0
    ? new Uint32Array(buffer, byteOffset, byteLength / 4)
    : new Uint8Array(buffer, byteOffset, byteLength);
}
