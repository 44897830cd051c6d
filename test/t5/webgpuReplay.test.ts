// Generation on webgpu gives its steps again instead of finding them out anew: the same ids, and fewer calls of kernels.

import { expect, it, vi } from "vitest";
import type { GenerationOptions } from "../../src/generation/options.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { tinyBatch, tinyT5 } from "../support/tinyT5.ts";

const model = tinyT5({ device: gpu });
const { inputIds, attentionMask } = tinyBatch(2, 6);

const ids = (options: GenerationOptions): Promise<number[][]> =>
  model.generate({ inputIds, attentionMask }, options);

const LENGTH = { maxNewTokens: 44, minNewTokens: 44 };
const CASES: [string, GenerationOptions][] = [
  ["greedy search", LENGTH],
  ["beam search", { ...LENGTH, numBeams: 3 }],
  ["greedy search with a penalty", { ...LENGTH, repetitionPenalty: 1.3 }],
  ["sampling", { ...LENGTH, doSample: true, seed: 4, numReturnSequences: 2 }],
];
// A program that plays a GPU takes seconds for these.
it.each(isFull ? CASES : CASES.slice(0, 2))("%s gives the same ids", async (_name, options) => {
  const record = vi.spyOn(gpu, "record");
  const replayed = await ids(options);
  // Recorded anew where caches grow, from 32 positions to 64, and for the last, shorter look ahead.
  expect(record.mock.calls.length).toBeGreaterThan(0);
  expect(record.mock.calls.length).toBeLessThanOrEqual(4);
  record.mockImplementation((work) => {
    work();
    return null;
  });
  const plain = await ids(options);
  expect(record.mock.calls.length).toBeGreaterThan(6);
  record.mockRestore();
  expect(replayed).toEqual(plain);
  expect(replayed[0]!.length).toBeGreaterThanOrEqual(44);
});
