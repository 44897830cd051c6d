// How many input tokens a run has seen, and how fast (includeNumInputTokensSeen).

import type { Batch } from "../data/collate.ts";
import type { TrainingArguments } from "./arguments/arguments.ts";
import { tokenSpeed, type Metrics } from "./speed.ts";
import type { TrainerState } from "./trainerState.ts";

/** Counts the input tokens of batches, and how fast `state.numInputTokensSeen` grows. */
export class InputTokens {
  readonly #which: TrainingArguments["includeNumInputTokensSeen"];
  readonly #padTokenId: number | undefined;
  #before = 0;
  #startedAt = 0;

  /** @param padTokenId tells padding from tokens in batches without a mask; without it all count */
  constructor(args: TrainingArguments, padTokenId: number | undefined) {
    this.#which = args.includeNumInputTokensSeen;
    this.#padTokenId = padTokenId;
  }

  /** The rate is that of this process: a resumed run begins it anew. */
  begin(state: TrainerState): void {
    this.#before = state.numInputTokensSeen;
    this.#startedAt = performance.now();
  }

  /** Tokens of a batch that count. */
  countOf({ inputIds, attentionMask }: Batch): number {
    if (this.#which === "no") return 0;
    const isCounted = (row: number, i: number): boolean => {
      if (this.#which === "all") return true;
      return attentionMask ? attentionMask[row]![i] === 1 : inputIds[row]![i] !== this.#padTokenId;
    };
    return inputIds.reduce(
      (sum, ids, row) => sum + ids.filter((_, i) => isCounted(row, i)).length,
      0,
    );
  }

  /** For a log record of the training: train_runtime and train_tokens_per_second. */
  figures(state: TrainerState): Metrics {
    if (this.#which === "no") return {};
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return tokenSpeed(seconds, state.numInputTokensSeen - this.#before);
  }
}
