import { describe, expect, it } from "vitest";
import { ArgumentError, DatasetError } from "../../src/tensor/errors.ts";
import type { Row } from "../../src/data/dataset.ts";
import { preprocess } from "../../src/data/preprocess.ts";
import { shuffle, tokenizedStream } from "../../src/data/streams.ts";
import { wordLengths } from "../support/wordLengths.ts";

const numbers = (count: number): AsyncIterable<number> => ({
  async *[Symbol.asyncIterator]() {
    for (let i = 0; i < count; i++) yield i;
  },
});
async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
const sorted = (list: readonly number[]) => [...list].sort((a, b) => a - b);

describe("shuffle", () => {
  it("gives every row once, in an order that follows from the seed and the epoch", async () => {
    const rows = shuffle(numbers(100), { bufferSize: 10, seed: 7 });
    const [first, second] = [await listOf(rows), await listOf(rows)];
    expect(sorted(first)).toEqual(await listOf(numbers(100)));
    expect(sorted(second)).toEqual(sorted(first));
    expect(first).not.toEqual(sorted(first));
    expect(second).not.toEqual(first);
    const again = shuffle(numbers(100), { bufferSize: 10, seed: 7 });
    expect([await listOf(again), await listOf(again)]).toEqual([first, second]);
    expect(await listOf(shuffle(numbers(100), { bufferSize: 10, seed: 8 }))).toEqual(second);
  });

  it("holds no more than the buffer: no row comes before its turn allows", async () => {
    const order = await listOf(shuffle(numbers(200), { bufferSize: 10, seed: 1 }));
    expect(order.every((row, place) => row <= place + 10)).toBe(true);
    expect(await listOf(shuffle(numbers(9), { bufferSize: 1 }))).toEqual(await listOf(numbers(9)));
    expect(sorted(await listOf(shuffle(numbers(5), { bufferSize: 50 })))).toEqual([0, 1, 2, 3, 4]);
    expect(await listOf(shuffle(numbers(0), { bufferSize: 5 }))).toEqual([]);
  });

  it("draws each order of three rows about equally often", async () => {
    const counts = new Map<string, number>();
    const rows = shuffle(numbers(3), { bufferSize: 3, seed: 0 });
    for (let i = 0; i < 1200; i++) {
      const order = (await listOf(rows)).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  });

  it("refuses a buffer of no row", () => {
    for (const bufferSize of [0, 1.5, NaN]) {
      expect(() => shuffle(numbers(1), { bufferSize })).toThrow(ArgumentError);
    }
  });
});

describe("tokenizedStream", () => {
  const rows: Row[] = Array.from({ length: 150 }, (_, i) => ({
    dialogue: "a ".repeat(1 + (i % 7)),
    summary: "ab",
  }));
  async function* stream(from: readonly Row[]) {
    yield* from;
  }

  it("gives what preprocess gives", async () => {
    const options = { template: "{dialogue}", maxLength: 6 };
    const examples = tokenizedStream(stream(rows), wordLengths, options);
    expect(await listOf(examples)).toEqual(await preprocess({ rows }, wordLengths, options));
  });

  it("names the row without text, counted over the whole stream", async () => {
    const holes = [...rows.slice(0, 100), { dialogue: "a", summary: null }];
    const examples = tokenizedStream(stream(holes), wordLengths);
    await expect(listOf(examples)).rejects.toThrow(DatasetError);
    await expect(listOf(tokenizedStream(stream(holes), wordLengths))).rejects.toThrow(
      /row 100 must have text in column summary/,
    );
    expect(() => tokenizedStream(stream(rows), wordLengths, { maxLength: 0 })).toThrow(
      ArgumentError,
    );
  });
});
