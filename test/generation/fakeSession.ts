// A "model" whose logits are a pure function of (item, whole token history): any mistake in feeding or
// reordering rows changes what comes out. It keeps the true histories and refuses misuse.

import { expect } from "vitest";
import type { DecoderSession, GenerationTask, TopScores } from "../../src/generation/session.ts";
import { values } from "../support/random.ts";

/** Logits [V] after a history, start token first. */
export type Table = (item: number, history: readonly number[]) => Float32Array;

/** The end token is 1 and the pad and start token 0, as in T5. */
export function task(batchSize = 1): GenerationTask {
  const inputIds = Array.from({ length: batchSize }, (_, item) => [3 + item, 1]);
  return { batchSize, inputIds, startTokenId: 0, eosTokenIds: [1], padTokenId: 0 };
}

/** Seeded random logits; `eosBias` is added to the end token's. */
export function randomTable(vocabSize: number, seed: number, eosBias = 0, scale = 1.5): Table {
  return (item, history) => {
    const hash = [item, ...history].reduce(
      (h, token) => Math.imul(h ^ (token + 1), 0x01000193),
      seed,
    );
    const logits = Float32Array.from(values(vocabSize, hash >>> 0, scale));
    logits[1]! += eosBias;
    return logits;
  };
}

/** log softmax(logits)[token] in f64. */
export function logProbability(logits: Float32Array, token: number): number {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits[token]! - Math.log(total);
}

/** Sum of the f64 log-probabilities of everything after the start token, up to and with the first end token. */
export function sequenceLogProbability(table: Table, item: number, ids: readonly number[]): number {
  let sum = 0;
  for (const [at, token] of ids.entries()) {
    if (at === 0) continue;
    sum += logProbability(table(item, ids.slice(0, at)), token);
    if (token === 1) break;
  }
  return sum;
}

/** `ids` without what fills up after the first end token. */
export function untilEnd(ids: readonly number[]): number[] {
  const end = ids.indexOf(1);
  return end < 0 ? [...ids] : ids.slice(0, end + 1);
}

export class FakeSession implements DecoderSession {
  readonly vocabSize: number;
  /** What each row was fed, start token first. */
  histories: number[][] = [];
  /** The item of each row. */
  items: number[] = [];
  /** All items that came, in their order, and the most rows that there were. */
  admitted: number[] = [];
  mostRows = 0;
  lookahead = 1;
  /** Calls of `feed`. */
  steps = 0;
  /** Times that all logits were read. */
  fullReads = 0;
  greedySteps = 0;
  closed = 0;
  #logits: Float32Array | null = null;
  readonly #table: Table;
  readonly #rowsPerItem: number;

  constructor(table: Table, rowsPerItem: number) {
    this.#table = table;
    this.#rowsPerItem = rowsPerItem;
    this.vocabSize = table(0, [0]).length;
  }

  feed(tokens: readonly number[] | Int32Array): void {
    this.steps++;
    this.#logits = this.#feed(tokens);
  }

  logits(): Promise<Float32Array> {
    this.fullReads++;
    return Promise.resolve(Float32Array.from(this.#fed()));
  }

  top(k: number, kind: "logits" | "logProbabilities"): Promise<TopScores> {
    const { vocabSize } = this;
    const rows = Array.from({ length: this.histories.length }, (_, row) => {
      const logits = this.#fed().subarray(row * vocabSize, (row + 1) * vocabSize);
      const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
      return order.slice(0, k).map((token) => ({
        token,
        value: kind === "logits" ? logits[token]! : logProbability(logits, token),
      }));
    }).flat();
    return Promise.resolve({
      values: Float32Array.from(rows, ({ value }) => value),
      indices: Int32Array.from(rows, ({ token }) => token),
    });
  }

  greedy(tokens: readonly number[] | Int32Array, count: number): Promise<Int32Array[]> {
    let ids = Int32Array.from(tokens);
    const steps = Array.from({ length: count }, () => {
      this.greedySteps++;
      const logits = this.#feed(ids);
      ids = ids.map((_, row) => {
        const scores = logits.subarray(row * this.vocabSize, (row + 1) * this.vocabSize);
        return scores.indexOf(Math.max(...scores));
      });
      return ids;
    });
    return Promise.resolve(steps);
  }

  admit(items: readonly number[]): void {
    expect(this.closed).toBe(0);
    for (const item of items) {
      for (let i = 0; i < this.#rowsPerItem; i++) {
        this.histories.push([]);
        this.items.push(item);
      }
    }
    this.mostRows = Math.max(this.mostRows, this.items.length);
    this.admitted.push(...items);
  }

  keep(rows: readonly number[]): void {
    expect(this.closed).toBe(0);
    this.histories = rows.map((origin) => [...this.histories[origin]!]);
    this.items = rows.map((origin) => this.items[origin]!);
    for (const item of this.items) {
      const count = this.items.filter((other) => other === item).length;
      expect(count, `rows of item ${item}`).toBeLessThanOrEqual(this.#rowsPerItem);
    }
  }

  close(): void {
    this.closed++;
  }

  #fed(): Float32Array {
    expect(this.#logits, "feed() comes first").not.toBeNull();
    return this.#logits!;
  }

  #feed(tokens: readonly number[] | Int32Array): Float32Array {
    expect(this.closed).toBe(0);
    expect(tokens.length).toBe(this.histories.length);
    const logits = new Float32Array(tokens.length * this.vocabSize);
    for (const [row, history] of this.histories.entries()) {
      const token = tokens[row]!;
      expect(token >= 0 && token < this.vocabSize, `row ${row} was fed ${token}`).toBe(true);
      history.push(token);
      logits.set(this.#table(this.items[row]!, history), row * this.vocabSize);
    }
    return logits;
  }
}
