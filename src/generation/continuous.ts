// Continuous batches: items that have ended leave the batch, and the next ones take their place. What an item becomes does
// not depend on the items beside it, so that neither the size of the batch nor the order of work changes a result.

import { betweenTokens } from "./session.ts";

/** What became of an item. */
export interface FinishedItem {
  readonly item: number;
  /** [numReturnSequences] token ids, start token first, without what fills up a batch. */
  readonly sequences: readonly number[][];
  /** [numReturnSequences] with beams: as in `GenerationResult`. */
  readonly scores?: readonly number[];
}

/** A batch that items come into at any time. */
export interface RunningBatch {
  /** Indices of the items in it. */
  readonly items: Iterable<number>;
  /** @param next those that come later, in their order */
  admit(items: readonly number[], next: readonly number[]): void;
  /** Continues every row by a token, or a few. @returns the items that have ended; they have left */
  step(): Promise<readonly FinishedItem[]>;
}

/** Which items run at a time, and when. */
export interface Schedule {
  /** All items, in the order in which they come into the batch. */
  readonly order: readonly number[];
  /** Most items at a time. */
  readonly batchSize: number;
  /** Most tokens of all items in the batch, by `tokens`; an item alone may have more. */
  readonly maxTokens: number;
  /** What an item counts for. */
  readonly tokens: (item: number) => number;
}

/** Items that a batch is told of before they come into it. */
const UPCOMING = 16;

/** The finished items in the order of their indices. @param onFinished called for each as it ends, whatever its place */
export async function* runContinuously(
  batch: RunningBatch,
  { order, batchSize, maxTokens, tokens }: Schedule,
  signal: AbortSignal | undefined,
  onFinished: () => void,
): AsyncGenerator<FinishedItem> {
  const finished = new Map<number, FinishedItem>();
  let given = 0;
  let admitted = 0;
  while (given < order.length) {
    await betweenTokens(signal);
    const inside = [...batch.items];
    let used = inside.reduce((sum, item) => sum + tokens(item), 0);
    const next: number[] = [];
    while (admitted < order.length && inside.length + next.length < batchSize) {
      const item = order[admitted]!;
      used += tokens(item);
      if (used > maxTokens && inside.length + next.length > 0) break;
      next.push(item);
      admitted++;
    }
    if (next.length > 0) batch.admit(next, order.slice(admitted, admitted + UPCOMING));
    for (const item of await batch.step()) {
      finished.set(item.item, item);
      onFinished();
    }
    for (let item = finished.get(given); item; item = finished.get(given)) {
      finished.delete(given++);
      signal?.throwIfAborted();
      yield item;
    }
  }
}

/**
 * Items by length, the longest first, so that the last ones to end are short; within windows, so that results which come in
 * order do not wait for all.
 */
export function longestFirst(lengths: readonly number[], window: number): number[] {
  const order: number[] = [];
  for (let begin = 0; begin < lengths.length; begin += window) {
    const items = Array.from(
      { length: Math.min(window, lengths.length - begin) },
      (_, i) => begin + i,
    );
    order.push(...items.sort((a, b) => lengths[b]! - lengths[a]! || a - b));
  }
  return order;
}
