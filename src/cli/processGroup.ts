// The processes that a command runs with: found by the launcher that started it, without flags of its own.

import { openProcessGroup } from "../distributed/openProcessGroup.ts";
import { inOrderOfBatches } from "../distributed/rankRows.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { Output } from "./terminal/output.ts";

/**
 * The group that mpirun, mpiexec or srun started this process in; else this process alone. Ranks but the first print nothing.
 * @throws {DistributedError} as openProcessGroup
 */
export async function joinProcessGroup(output: Output): Promise<ProcessGroup> {
  const group = await openProcessGroup("auto");
  if (group.rank > 0) output.mute();
  if (group.size > 1) output.print(`${group.size} processes: ${group.description}`);
  return group;
}

/**
 * Runs a command's work in its group, and leaves it. An error of one rank ends all: the others would wait for it.
 * @throws what `work` throws, in a group of one
 */
export async function withProcessGroup<T>(
  output: Output,
  work: (group: ProcessGroup) => Promise<T>,
): Promise<T> {
  const group = await joinProcessGroup(output);
  try {
    const result = await work(group);
    await group.close();
    return result;
  } catch (error) {
    if (group.size > 1) group.abort(error);
    throw error;
  }
}

/** Runs `work` on rank 0, then on the others: what it downloads, makes or caches is there for them. Collective. */
export async function rankZeroFirst<T>(group: ProcessGroup, work: () => Promise<T>): Promise<T> {
  if (group.rank > 0) await group.barrier();
  const result = await work();
  if (group.rank === 0) await group.barrier();
  return result;
}

/** A rank's share of items that are worked on in batches, in turn as evaluation deals them. */
export function shareOf<T>(items: readonly T[], batchSize: number, group: ProcessGroup): T[] {
  return items.filter((_, i) => Math.floor(i / batchSize) % group.size === group.rank);
}

/** What all ranks made of their shares, in the order of the items. Collective. */
export async function gatherShares<T>(
  own: readonly T[],
  batchSize: number,
  group: ProcessGroup,
): Promise<T[]> {
  const batches = Array.from({ length: Math.ceil(own.length / batchSize) }, (_, i) =>
    own.slice(i * batchSize, (i + 1) * batchSize),
  );
  return inOrderOfBatches(await group.gather(batches)).flat();
}
