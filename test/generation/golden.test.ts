// Our generate() against transformers' on two small trained models (golden/README.md).

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerationOptions } from "../../src/generation/options.ts";
import { nextTokenProbabilities, type SamplingOptions } from "../../src/generation/sampling.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import { cpu } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";
import { untilEnd } from "./fakeSession.ts";

interface Golden {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly cases: Readonly<
    Record<
      string,
      {
        readonly options: Readonly<Record<string, unknown>>;
        readonly sequences: number[][];
        readonly sequences_scores?: number[];
      }
    >
  >;
  readonly first_step_probabilities: Readonly<Record<string, number[][]>>;
}

const MODES = [
  "greedy",
  "greedy_min",
  "greedy_rep",
  "greedy_ngram2",
  "greedy_ngram3_rep",
  "beam2",
  "beam4",
  "beam4_len06",
  "beam4_len2_early",
  "beam3_never",
  "beam4_ngram2",
  "beam4_return3",
];

const WARPS: Readonly<Record<string, SamplingOptions>> = {
  "t0.7": { temperature: 0.7 },
  k5: { topK: 5 },
  "p0.8": { topP: 0.8 },
  "t1.5_k20_p0.9": { temperature: 1.5, topK: 20, topP: 0.9 },
};

/** transformers' option names in camelCase. */
function camelCase(options: Readonly<Record<string, unknown>>): GenerationOptions {
  const rename = (name: string) =>
    name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [rename(name), value]));
}

function largestDifference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  expect(ours.length).toBe(theirs.length);
  return Math.max(...theirs.map((value, i) => Math.abs(ours[i]! - value)));
}

/** What `npm test` tries on webgpu, where a software GPU takes seconds for each; `npm run test:full` tries all. */
const FEW_MODES = ["greedy", "greedy_ngram2", "beam3_never"];

describe.skipIf(!hasShared).each([
  ["t5-gated-trained", "cpu", cpu],
  ["t5-relu-trained", "cpu", cpu],
  ["t5-gated-trained", "webgpu", gpu],
  ["t5-relu-trained", "webgpu", gpu],
] as const)(needsShared("generate() of %s on %s equals transformers"), (name, _kind, device) => {
  let golden: Golden;
  let model: T5ForConditionalGeneration;
  let inputs: { inputIds: number[][]; attentionMask: number[][] };
  beforeAll(async () => {
    golden = JSON.parse(readFileSync(shared("golden", name, "generation.json"), "utf8")) as Golden;
    inputs = { inputIds: golden.input_ids, attentionMask: golden.attention_mask };
    model = await T5ForConditionalGeneration.fromPretrained(shared("golden", name), {
      device,
    });
  });
  afterAll(() => model.dispose());

  it("covers every case of the file", () => {
    expect(Object.keys(golden.cases)).toEqual(MODES);
    expect(Object.keys(golden.first_step_probabilities)).toEqual(Object.keys(WARPS));
  });

  it.each(device === gpu && !isFull ? FEW_MODES : MODES)("%s", async (mode) => {
    const { options, sequences, sequences_scores: scores } = golden.cases[mode]!;
    const ours = await model.generate(inputs, {
      ...camelCase(options),
      returnDictInGenerate: true,
    });
    expect(ours.sequences.map(untilEnd)).toEqual(sequences.map(untilEnd));
    expect(ours.sequencesScores === undefined).toBe(scores === undefined);
    if (scores !== undefined) {
      expect(largestDifference(ours.sequencesScores!, scores)).toBeLessThan(1e-4);
    }
  });

  it("frees what it made, also when it is aborted", async () => {
    const before = device.memory();
    await model.generate(inputs, { numBeams: 3, maxNewTokens: 5 });
    expect(device.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
    const controller = new AbortController();
    const streamer = (): void => controller.abort();
    const aborted = model.generate(inputs, { streamer, signal: controller.signal });
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    expect(device.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });

  it.skipIf(device === gpu).each(Object.keys(WARPS))(
    "first-step probabilities of %s",
    async (warp) => {
      const decoderInputIds = inputs.inputIds.map(() => [0]);
      const { logits } = noGrad(() => model.forward({ ...inputs, decoderInputIds }));
      const values = (await logits.data()) as Float32Array;
      const vocabSize = values.length / decoderInputIds.length;
      for (const [row, expected] of golden.first_step_probabilities[warp]!.entries()) {
        const rowLogits = values.subarray(row * vocabSize, (row + 1) * vocabSize);
        const ours = nextTokenProbabilities(rowLogits, WARPS[warp]);
        expect(largestDifference(ours, expected)).toBeLessThan(1e-4);
      }
    },
  );
});
