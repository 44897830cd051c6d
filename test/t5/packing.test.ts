// Packed batches beside padded ones: loss and every gradient, and which batches are packed.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import type { Batch } from "../../src/data/collate.ts";
import { T5Config } from "../../src/t5/config.ts";
import { packBatch } from "../../src/t5/packing.ts";
import type { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope, Scope } from "../../src/tensor/scope.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { isFull } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { uniform } from "../support/random.ts";
import { tinyConfig, tinyT5 } from "../support/tinyT5.ts";

interface Lengths {
  readonly source: number;
  readonly target: number;
}

/** Rows of random ids, padded on the right to the longest and `more`; labels by -100. */
function batchOf(rows: readonly Lengths[], seed: number, more = 0): Required<Batch> {
  const next = uniform(seed);
  const id = (): number => 2 + Math.floor(next() * (tinyConfig.vocabSize - 2));
  const width = (side: keyof Lengths): number => Math.max(...rows.map((row) => row[side])) + more;
  const row = (length: number, width: number, pad: number): number[] =>
    Array.from({ length: width }, (_, i) => (i < length ? id() : pad));
  const [S, T] = [width("source"), Math.max(1, width("target"))];
  return {
    inputIds: rows.map(({ source }) => row(source, S, 0)),
    attentionMask: rows.map(({ source }) => Array.from({ length: S }, (_, i) => +(i < source))),
    labels: rows.map(({ target }) => row(target, T, -100)),
  };
}

type Results = readonly (readonly [name: string, values: ArrayLike<number>])[];

/** The loss and every gradient, by the packed pass or by the padded one. */
async function results(
  model: T5ForConditionalGeneration,
  batch: Batch,
  way: "forward" | "forwardPacked",
): Promise<Results> {
  const memory = new Scope();
  try {
    const found = memory.run(() => {
      const { loss } = model[way](batch)!;
      const gradients = backward(loss!);
      return [["loss", loss!] as const, ...nameGradients(model, gradients)];
    });
    return await Promise.all(found.map(async ([name, x]) => [name, await x.data()] as const));
  } finally {
    memory.dispose();
  }
}

function nameGradients<T>(model: T5ForConditionalGeneration, gradients: ReadonlyMap<unknown, T>) {
  return [...model.parameters()].map(([name, x]) => [name, gradients.get(x)!] as const);
}

async function expectSame(
  model: T5ForConditionalGeneration,
  batch: Batch,
  tolerance: number,
): Promise<void> {
  const padded = await results(model, batch, "forward");
  const packed = await results(model, batch, "forwardPacked");
  const most = Math.max(...padded.flatMap(([, x]) => Array.from(x, Math.abs)));
  for (const [i, [name, expected]] of padded.entries()) {
    expect(distance(packed[i]![1], expected), name).toBeLessThanOrEqual(tolerance * most);
  }
}

const length = fc.constantFrom(1, 2, 3, 5, 7, 8, 13);
const batches = fc
  .record({
    rows: fc.array(fc.record({ source: length, target: fc.oneof(fc.constant(0), length) }), {
      minLength: 1,
      maxLength: 4,
    }),
    seed: fc.integer({ min: 1, max: 1000 }),
    // Lengths that padToMultipleOf rounds up: every row is padded.
    more: fc.constantFrom(0, 1, 3),
  })
  .filter(({ rows, more }) => {
    const hasLabels = rows.some(({ target }) => target > 0);
    const isRagged = rows.some(
      ({ source, target }) => source !== rows[0]!.source || target !== rows[0]!.target,
    );
    return hasLabels && (isRagged || more > 0);
  });

const umt5 = T5Config.fromJSON({
  ...{
    model_type: "umt5",
    vocab_size: 64,
    d_model: 24,
    d_kv: 8,
    d_ff: 40,
    num_heads: 2,
    num_layers: 2,
  },
  ...{ dropout_rate: 0.1, feed_forward_proj: "gated-gelu", tie_word_embeddings: false },
});
const ROWS = [
  { source: 7, target: 1 },
  { source: 1, target: 6 },
  { source: 12, target: 0 },
  { source: 5, target: 9 },
];

describe("a packed batch", () => {
  it("has the loss and all gradients of the padded one", async () => {
    const model = tinyT5();
    await fc.assert(
      fc.asyncProperty(batches, async ({ rows, seed, more }) => {
        await expectSame(model, batchOf(rows, seed, more), 5e-6);
      }),
      { numRuns: isFull ? 10_000 : 40, seed: 20261129 },
    );
    model.dispose();
  });

  it.each([
    ["plain bodies", plain, {}],
    // Compiles shaders for seconds; test/autograd/packedAttention.test.ts has those that differ.
    ...(isFull ? ([["webgpu", gpu, {}]] as const) : []),
    ["tied weights", cpu, { config: tinyConfig.withOverrides({ tie_word_embeddings: true }) }],
    ["a bias in every block", cpu, { config: umt5 }],
  ] as const)("does so with %s", async (_title, device: Device, options) => {
    const model = tinyT5({ device, ...options });
    await expectSame(model, batchOf(ROWS, 3), 1e-5);
    model.dispose();
  });

  it("does so with gradient checkpointing, with which dropout draws the same again", async () => {
    const before = cpu.memory();
    const model = tinyT5();
    const batch = batchOf(ROWS, 4);
    model.train();
    const run = async () => {
      model.random.offset = 0;
      return results(model, batch, "forwardPacked");
    };
    const kept = await run();
    model.gradientCheckpointingEnable();
    const computedAgain = await run();
    for (const [i, [name, expected]] of kept.entries()) {
      expect(distance(computedAgain[i]![1], expected), name).toBeLessThanOrEqual(1e-6);
    }
    model.eval();
    await expectSame(model, batch, 5e-6);
    model.dispose();
    expect(cpu.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
  });

  it("does so in mixed precision, to its rounding", async () => {
    const model = tinyT5();
    model.autocast = "bf16";
    await expectSame(model, batchOf(ROWS, 5), 2e-3);
    model.dispose();
  });

  it("holds real tokens alone, and gives logits and labels of those", async () => {
    const model = tinyT5();
    const batch = batchOf(ROWS, 6);
    const memory = new Scope();
    const { logits, labels } = memory.run(() => model.forwardPacked(batch)!);
    expect(logits.shape).toEqual([16, tinyConfig.vocabSize]);
    expect([...(await labels.data())]).toEqual(batch.labels.flat().filter((id) => id !== -100));
    memory.dispose();
    model.dispose();
  });

  it("keeps labels between -100 and pads that count", async () => {
    const model = tinyT5();
    const batch = batchOf(ROWS, 7);
    // The notebook's quirk: pads of labels take part in the loss.
    batch.labels = batch.labels.map((row) => row.map((id) => (id === -100 ? 0 : id)));
    const packed = scope(() => packBatch(batch, tinyConfig, cpu)!.target.lengths);
    expect(packed).toEqual([9, 9, 9, 9]);
    await expectSame(model, batch, 5e-6);
    const hole = batchOf(ROWS, 8);
    hole.labels[3]![2] = -100;
    expect(scope(() => packBatch(hole, tinyConfig, cpu)!.target.lengths)).toEqual([1, 6, 0, 9]);
    await expectSame(model, hole, 5e-6);
    model.dispose();
  });

  it("leaves the encoder as it is without a mask, which hides nothing", async () => {
    const model = tinyT5();
    const { inputIds, labels } = batchOf(ROWS, 9);
    const lengths = scope(() => packBatch({ inputIds, labels }, tinyConfig, cpu)!.source.lengths);
    expect(lengths).toEqual([12, 12, 12, 12]);
    await expectSame(model, { inputIds, labels }, 5e-6);
    model.dispose();
  });
});

describe("a batch that cannot be packed", () => {
  const good = batchOf(ROWS, 10);
  const masked = (change: (mask: number[]) => number[]): Batch => ({
    ...good,
    attentionMask: good.attentionMask.map((row, b) => (b === 0 ? change(row) : row)),
  });
  const unpackable: Record<string, Batch> = {
    "a mask with a hole": masked((row) => row.with(2, 0)),
    "padding on the left": masked((row) => row.toReversed()),
    "a row that the mask hides whole": masked((row) => row.map(() => 0)),
    "no label that counts": { ...good, labels: good.labels.map((row) => row.map(() => -100)) },
    "no padding": batchOf([{ source: 3, target: 2 }], 1),
  };
  it.each(Object.entries(unpackable))("is left to forward: %s", (_title, batch) => {
    const model = tinyT5();
    scope(() => {
      expect(model.forwardPacked(batch)).toBeNull();
      expect(model.forward(batch).loss).toBeDefined();
    });
    model.dispose();
  });

  it("is refused in the words of forward", () => {
    const model = tinyT5();
    const wrong: Record<string, Batch> = {
      id: { ...good, inputIds: good.inputIds.map((row) => row.with(3, 64)) },
      label: { ...good, labels: good.labels.map((row) => row.with(0, 64)) },
      rows: { ...good, labels: good.labels.slice(1) },
      ragged: { ...good, labels: good.labels.map((row, b) => row.slice(b)) },
    };
    const message = (fn: () => unknown): string => {
      try {
        scope(() => void fn());
      } catch (error) {
        return String(error);
      }
      return "no error";
    };
    for (const [name, batch] of Object.entries(wrong)) {
      const expected = message(() => model.forward(batch));
      expect(expected, name).toMatch(/Error/);
      expect(
        message(() => model.forwardPacked(batch)),
        name,
      ).toBe(expected);
    }
    model.dispose();
  });
});
