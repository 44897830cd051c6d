// generateMany on small models: the same ids alone and together, on both devices.

import { describe, expect, it } from "vitest";
import type { GenerateManyOptions } from "../../src/generation/generateMany.ts";
import { T5Config } from "../../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";

const config = T5Config.fromJSON({
  ...{ model_type: "t5", vocab_size: 61, d_model: 24, d_kv: 10, d_ff: 40, num_heads: 3 },
  ...{ num_layers: 2, num_decoder_layers: 2, relative_attention_num_buckets: 8 },
  ...{ feed_forward_proj: "gated-gelu", tie_word_embeddings: false, pad_token_id: 0 },
  // So that rows end at different times.
  ...{
    eos_token_id: [1, 5, 12, 19, 23, 31, 38, 44, 52, 57],
    decoder_start_token_id: 0,
    initializer_factor: 4,
  },
});

/** Rows of 1 to 90 tokens, none of them the pad. */
const rows = Array.from({ length: 7 }, (_, i) =>
  Array.from({ length: [3, 17, 1, 90, 5, 40, 66][i]! }, (_, j) => 2 + ((i * 31 + j * 7) % 58)),
);

const searches: readonly (readonly [string, GenerateManyOptions])[] = [
  ["greedy", {}],
  ["greedy with a penalty", { repetitionPenalty: 1.2, minNewTokens: 3 }],
  ["sampling", { doSample: true, seed: 3, temperature: 1.5 }],
  ["3 beams", { numBeams: 3, lengthPenalty: 0.5 }],
];

async function collect(
  model: T5ForConditionalGeneration,
  inputIds: readonly (readonly number[])[],
  options: GenerateManyOptions,
): Promise<number[][]> {
  const sequences: number[][] = [];
  for await (const ids of model.generateMany({ inputIds }, options)) sequences.push(ids);
  return sequences;
}

const devices: readonly (readonly [string, () => Device, number])[] = [
  ["cpu", () => cpu, 7],
  ["the plain bodies", () => plain, 3],
  ["webgpu", () => gpu, 2],
];

describe.each(devices)("generateMany on %s", (_name, deviceOf, count) => {
  const device = deviceOf();
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 5 });

  it.each(searches)(
    "gives a row the same ids alone and among others: %s",
    async (_name, search) => {
      const options = { ...search, maxNewTokens: device === gpu ? 6 : 12 };
      const some = rows.slice(0, count);
      const before = device.memory().tensors;
      const together = await collect(model, some, { ...options, batchSize: 3 });
      expect(device.memory().tensors).toBe(before);
      expect(together.length).toBe(count);
      if (search.doSample) {
        // Draws belong to the row's place.
        expect(await collect(model, some, { ...options, batchSize: 1 })).toEqual(together);
        return;
      }
      for (const [i, row] of some.entries()) {
        expect((await collect(model, [row], options))[0]).toEqual(together[i]);
        const { eosTokenIds } = config;
        const [ids] = await model.generate({ inputIds: [row] }, options);
        const end = ids!.findIndex((id, at) => at > 0 && eosTokenIds.includes(id));
        expect(end < 0 ? ids : ids!.slice(0, end + 1)).toEqual(together[i]);
      }
    },
  );

  it.runIf(deviceOf() !== gpu || isFull)("hides what the mask hides, wherever it is", async () => {
    const row = [9, 8, 7, 6];
    const options = { maxNewTokens: 8 };
    const [expected] = await collect(model, [row], options);
    const inputIds = [
      [0, 0, ...row],
      [...row, 0, 0],
      [4, ...row, 5],
    ];
    const attentionMask = [
      [0, 0, 1, 1, 1, 1],
      [1, 1, 1, 1, 0, 0],
      [0, 1, 1, 1, 1, 0],
    ];
    const masked: number[][] = [];
    for await (const ids of model.generateMany({ inputIds, attentionMask }, options)) {
      masked.push(ids);
    }
    expect(masked).toEqual([expected, expected, expected]);
    // Without a mask pads are hidden.
    expect(await collect(model, inputIds.slice(0, 2), options)).toEqual([expected, expected]);
    expect(await model.generate({ inputIds, attentionMask }, options)).toEqual(
      await model.generate({ inputIds: [row, row, row] }, options),
    );
  });
});

describe("generateMany", () => {
  it("goes on past the room that caches begin with, in a batch of which rows leave", async () => {
    const model = T5ForConditionalGeneration.fromConfig(config, { device: cpu, seed: 6 });
    const options = { maxNewTokens: 36, minNewTokens: 33 };
    const some = rows.slice(0, 4);
    const together = await collect(model, some, { ...options, batchSize: 3 });
    for (const [i, row] of some.entries()) {
      const [ids] = await model.generate({ inputIds: [row] }, options);
      expect(ids).toEqual(together[i]);
    }
  });

  const model = T5ForConditionalGeneration.fromConfig(config, { device: cpu, seed: 5 });

  it("gives beams the scores that one pass over the whole sequence gives them", async () => {
    const inputs = { inputIds: [rows[1]!] };
    const options = { numBeams: 4, numReturnSequences: 4, lengthPenalty: 0, maxNewTokens: 14 };
    const { sequences, sequencesScores } = await model.generate(inputs, {
      ...options,
      returnDictInGenerate: true,
    });
    for (const [i, padded] of sequences.entries()) {
      const end = padded.findIndex((id, at) => at > 0 && config.eosTokenIds.includes(id));
      const ids = end < 0 ? padded : padded.slice(0, end + 1);
      const { logits } = model.forward({ ...inputs, decoderInputIds: [ids.slice(0, -1)] });
      const data = (await logits.data()) as Float32Array;
      const score = ids.slice(1).reduce((sum, id, t) => {
        const row = data.subarray(t * config.vocabSize, (t + 1) * config.vocabSize);
        const total = row.reduce((all, logit) => all + Math.exp(logit), 0);
        return sum + row[id]! - Math.log(total);
      }, 0);
      expect(sequencesScores![i]).toBeCloseTo(score, 3);
    }
  });

  it("gives a row of which all is hidden what uniform attention gives", async () => {
    const inputs = { inputIds: [[5, 6, 7]], attentionMask: [[0, 0, 0]] };
    const [ids] = await model.generate(inputs, { maxNewTokens: 5 });
    const [logits] = await Promise.all([
      model.forward({ ...inputs, decoderInputIds: [ids!.slice(0, -1)] }).logits.data(),
    ]);
    const [length, size] = [ids!.length - 1, config.vocabSize];
    const best = Array.from({ length }, (_, t) => {
      const row = [...logits.subarray(t * size, (t + 1) * size)] as number[];
      return row.indexOf(Math.max(...row));
    });
    expect(ids!.slice(1)).toEqual(best);
  });

  it.each([
    [{ inputIds: "text" }, "inputIds: must be rows of token ids"],
    [{ inputIds: [[5], []] }, "inputIds: must be at least one row of at least one id"],
    [{ inputIds: [[5], [99]] }, "inputIds: must be ids in 0..60, got 99 in row 1 at 0"],
    [{ inputIds: [[5], [6]], attentionMask: [[1]] }, "attentionMask: must be"],
    [{ inputIds: [[5, 6]], attentionMask: [[1, 2]] }, "attentionMask: must be 0 or 1, got 2"],
    [{}, "generateMany: needs inputs with inputIds"],
  ])("refuses %j", (inputs, message) => {
    expect(() => model.generateMany(inputs as never)).toThrow(message);
  });
});
