// What the ranks of a group decide together: to log, evaluate, save and stop, at the same update.

import type { ProcessGroup } from "../distributed/processGroup.ts";
import type { TrainerControl } from "./callbacks.ts";
import type { TrainerState } from "./trainerState.ts";

const FLAGS = [
  "shouldTrainingStop",
  "shouldEpochStop",
  "shouldSave",
  "shouldEvaluate",
  "shouldLog",
] as const satisfies readonly (keyof TrainerControl)[];

/** What may end a run from outside. */
export interface Interruptions {
  /** Ends training between two batches; `train` then throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Writes a checkpoint after the update at hand and ends training there, as at its last step (Slurm's SIGTERM). */
  readonly stopSignal?: AbortSignal | undefined;
}

/** Operations that this rank has counted since the last agreement. */
export class FlosCounter {
  pending = 0;
}

/**
 * Makes rank 0's flags everybody's, acts on a signal that any rank has seen, and adds all ranks' operations to the state.
 * @throws the reason of `signal`, on all ranks, when any rank's was raised
 */
export async function agree(
  group: ProcessGroup,
  control: TrainerControl,
  state: TrainerState,
  flos: FlosCounter,
  { signal, stopSignal }: Interruptions,
): Promise<void> {
  const votes = Float64Array.of(
    ...FLAGS.map((flag) => (group.rank === 0 && control[flag] ? 1 : 0)),
    ...[signal, stopSignal].map((each) => (each?.aborted ? 1 : 0)),
    flos.pending,
  );
  await group.allreduce(votes);
  for (const [i, flag] of FLAGS.entries()) control[flag] = votes[i]! > 0;
  const [ended, stopped, operations] = votes.subarray(FLAGS.length);
  state.totalFlos += operations!;
  flos.pending = 0;
  if (ended! > 0 && group.size > 1) {
    throw signal?.reason ?? new DOMException("interrupted on another rank", "AbortError");
  }
  if (stopped! > 0) control.shouldSave = control.shouldTrainingStop = true;
}
