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
  /**
   * Ends training once the update that is being made is done, with a checkpoint to resume from whatever saveStrategy says;
   * `train` then throws its reason. An evaluation that it cuts short is made by the run that resumes. Of several processes all
   * end when one is told to; an evaluation of theirs is finished.
   */
  readonly interruptSignal?: AbortSignal | undefined;
}

/** What the ranks of a run have agreed upon, and what each has to say next time. */
export class Agreement {
  readonly #group: ProcessGroup;
  readonly #interruptions: Interruptions;
  #isInterrupted = false;
  /** Operations that this rank has counted since the last agreement. */
  pendingFlos = 0;
  /** Input tokens that this rank has counted since then. */
  pendingTokens = 0;

  constructor(group: ProcessGroup, interruptions: Interruptions) {
    this.#group = group;
    this.#interruptions = interruptions;
  }

  /**
   * Makes rank 0's flags everybody's, acts on a signal that any rank has seen, and adds all ranks' operations to the state.
   * @throws the reason of `signal`, on all ranks, when any rank's was raised
   */
  async reach(control: TrainerControl, state: TrainerState): Promise<void> {
    const { rank, size } = this.#group;
    const { signal, interruptSignal } = this.#interruptions;
    const votes = Float64Array.of(
      ...FLAGS.map((flag) => (rank === 0 && control[flag] ? 1 : 0)),
      ...[signal, interruptSignal].map((each) => (each?.aborted ? 1 : 0)),
      this.pendingFlos,
      this.pendingTokens,
    );
    await this.#group.allreduce(votes);
    for (const [i, flag] of FLAGS.entries()) control[flag] = votes[i]! > 0;
    const [ended, interrupted, operations, tokens] = votes.subarray(FLAGS.length);
    state.totalFlos += operations!;
    state.numInputTokensSeen += tokens!;
    this.pendingFlos = this.pendingTokens = 0;
    this.#isInterrupted = interrupted! > 0;
    if (ended! > 0 && size > 1) throw reasonOf(signal);
  }

  /** Whether training is to end with a checkpoint. One process alone need not wait for an agreement. */
  isInterrupted(): boolean {
    const { interruptSignal } = this.#interruptions;
    return this.#group.size > 1 ? this.#isInterrupted : interruptSignal?.aborted === true;
  }

  throwInterruption(): never {
    throw reasonOf(this.#interruptions.interruptSignal);
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  if (signal?.aborted) return signal.reason as Error;
  return new DOMException("interrupted on another rank", "AbortError");
}

/** Runs what all ranks do together. An error ends them all, for they would wait for this one; being interrupted is agreed upon. */
export async function endingAll<T>(group: ProcessGroup, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isAgreed = error instanceof Error && error.name === "AbortError";
    if (group.size > 1 && !isAgreed) group.abort(error);
    throw error;
  }
}
