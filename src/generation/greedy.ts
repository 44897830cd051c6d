// One row per sequence: greedy search and sampling.

import { timeLimit } from "./clock.ts";
import type { FinishedItem, RunningBatch } from "./continuous.ts";
import type { GenerationPlan } from "./plan.ts";
import { rowsPerItem } from "./plan.ts";
import { processorsFor } from "./processors.ts";
import { drawToken, type Uniforms } from "./sampling.ts";
import { argmax } from "./scores.ts";
import { betweenTokens, type DecoderSession, type GenerationTask } from "./session.ts";

/** A sequence that grows. */
interface Sequence {
  readonly item: number;
  /** Place among the sequences of all items; its draws are those of this row. */
  readonly row: number;
  /** Start token first. */
  readonly ids: number[];
  readonly isLate: () => boolean;
  ended: boolean;
}

/**
 * Continues every row with its likeliest token, or with one drawn at random, until all rows have ended
 * or have `maxLength` tokens. Rows that ended leave the batch, and are filled with the pad token.
 * @returns [rows] sequences of equal length, start token first
 */
export async function greedySearch(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): Promise<number[][]> {
  const batch = new SequenceBatch(session, task, plan, uniforms);
  batch.admit(Array.from({ length: task.batchSize }, (_, item) => item));
  const all = [...batch.running];
  await plan.streamer?.prompt?.(all.map(() => task.startTokenId));
  while (batch.running.length > 0) {
    await betweenTokens(plan.signal);
    await batch.step(async (length) => {
      plan.signal?.throwIfAborted();
      await plan.streamer?.put(all.map(({ ids }) => ids[length - 1] ?? task.padTokenId));
    });
  }
  await plan.streamer?.end();
  const longest = Math.max(...all.map(({ ids }) => ids.length));
  const pads = (count: number) => new Array<number>(count).fill(task.padTokenId);
  return all.map(({ ids }) => [...ids, ...pads(longest - ids.length)]);
}

/** Sequences of items that come and go; each of an item's sequences leaves when it ends. */
export class SequenceBatch implements RunningBatch {
  /** In the order of the session's rows. */
  running: readonly Sequence[] = [];
  readonly #session: DecoderSession;
  readonly #task: GenerationTask;
  readonly #plan: GenerationPlan;
  readonly #choose: Choose;
  /** Sequences of each item that is not finished. */
  readonly #items = new Map<number, readonly Sequence[]>();

  constructor(
    session: DecoderSession,
    task: GenerationTask,
    plan: GenerationPlan,
    uniforms: Uniforms,
  ) {
    this.#session = session;
    this.#task = task;
    this.#plan = plan;
    this.#choose = nextTokens(session, task, plan, uniforms);
  }

  get items(): Iterable<number> {
    return this.#items.keys();
  }

  admit(items: readonly number[], next: readonly number[] = []): void {
    const count = rowsPerItem(this.#plan);
    this.#session.admit(items, next);
    for (const item of items) {
      const isLate = timeLimit(this.#plan.maxTime);
      const own = Array.from({ length: count }, (_, i) => ({
        ...{ item, row: item * count + i, isLate, ended: false },
        ids: [this.#task.startTokenId],
      }));
      this.#items.set(item, own);
      this.running = [...this.running, ...own];
    }
  }

  /** @param onToken awaited after each token of all rows, with the length of the longest sequence now */
  async step(onToken?: (length: number) => Promise<void>): Promise<readonly FinishedItem[]> {
    const { maxLength } = this.#plan;
    const before = this.running;
    const left = Math.min(...before.map(({ ids }) => maxLength - ids.length));
    for (const chosen of await this.#choose(before, left)) {
      // Rows that ended got tokens that nobody asked for, chosen ahead.
      if (before.every(({ ended }) => ended)) break;
      let longest = 0;
      for (const [i, sequence] of before.entries()) {
        if (!sequence.ended) this.#append(sequence, chosen[i]!);
        longest = Math.max(longest, sequence.ids.length);
      }
      await onToken?.(longest);
    }
    return this.#dismiss();
  }

  #append(sequence: Sequence, token: number): void {
    sequence.ids.push(token);
    sequence.ended =
      this.#task.eosTokenIds.includes(token) ||
      sequence.ids.length >= this.#plan.maxLength ||
      sequence.isLate();
  }

  /** Rows that ended leave. */
  #dismiss(): FinishedItem[] {
    const staying = this.running.flatMap(({ ended }, row) => (ended ? [] : [row]));
    if (staying.length === this.running.length) return [];
    this.#session.keep(staying);
    this.running = staying.map((row) => this.running[row]!);
    const finished = [...this.#items].filter(([, own]) => own.every(({ ended }) => ended));
    for (const [item] of finished) this.#items.delete(item);
    return finished.map(([item, own]) => ({ item, sequences: own.map(({ ids }) => ids) }));
  }
}

/** From the last token of every row to the next, or the next few, at most `left`: [count][rows]. */
type Choose = (rows: readonly Sequence[], left: number) => Promise<readonly ArrayLike<number>[]>;

function nextTokens(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): Choose {
  const { all: processors, readAll } = processorsFor(plan, task, session.vocabSize);
  const lastTokens = (rows: readonly Sequence[]) => rows.map(({ ids }) => ids.at(-1)!);
  // Nothing looks at the logits but the argmax: they may stay on the device.
  if (!plan.doSample && processors.length === 0) {
    return (rows, left) => session.greedy(lastTokens(rows), Math.min(session.lookahead, left));
  }
  const choose = (scores: Float32Array, { item, row, ids }: Sequence): number => {
    for (const processor of processors) processor(scores, ids, item);
    return plan.doSample ? drawToken(scores, uniforms(row, ids.length - 1, 0)) : argmax(scores);
  };
  return async (rows) => {
    session.feed(lastTokens(rows));
    const { scores, tokens } = await neededScores(session, plan, readAll);
    const width = scores.length / rows.length;
    const chosen = rows.map((sequence, row) => {
      const index = choose(scores.subarray(row * width, (row + 1) * width), sequence);
      return tokens === null ? index : tokens[row * width + index]!;
    });
    return [chosen];
  };
}

/** Scores [rows, n], and the tokens that they belong to; null where these are the whole vocabulary. */
interface NeededScores {
  readonly scores: Float32Array;
  readonly tokens: Int32Array | null;
}

/**
 * What the processors of `plan` look at. Where all they keep is the k best, only these leave the device: the others would
 * become -Infinity, which adds nothing to a sum. They come in the order of the vocabulary, so that ties go as among all.
 */
async function neededScores(
  session: DecoderSession,
  plan: GenerationPlan,
  readAll: boolean,
): Promise<NeededScores> {
  const { vocabSize } = session;
  const all = async (): Promise<NeededScores> => ({
    scores: await session.logits(),
    tokens: null,
  });
  if (!plan.doSample || readAll || plan.topK === 0 || plan.topK >= vocabSize) return all();
  const count = plan.topK + 1;
  const { values, indices } = await session.top(count, "logits");
  const scores = new Float32Array((values.length / count) * plan.topK);
  const tokens = new Int32Array(scores.length);
  for (let begin = 0, to = 0; begin < values.length; begin += count, to += plan.topK) {
    // What ties with the last of the k best stays too, and there may be more of it than came.
    if (values[begin + plan.topK] === values[begin + plan.topK - 1]) return all();
    const order = Array.from({ length: plan.topK }, (_, i) => begin + i);
    order.sort((a, b) => indices[a]! - indices[b]!);
    for (const [i, at] of order.entries()) {
      scores[to + i] = values[at]!;
      tokens[to + i] = indices[at]!;
    }
  }
  return { scores, tokens };
}
