import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { checkLabels, crossEntropy } from "../../src/autograd/ops/crossEntropy.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { crossEntropy as reference } from "../reference/crossEntropy.ts";
import { checkForward, checkOnWebGpu, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, uniform, values, wideDim } from "../support/random.ts";

interface Options {
  readonly ignoreIndex?: number;
  readonly labelSmoothing?: number;
}

function fromValues(
  logits: ArrayLike<number>,
  labels: readonly number[],
  options: Options = {},
): OpCase {
  const V = logits.length / labels.length;
  return {
    inputs: [
      { shape: [labels.length, V], values: logits },
      { shape: [labels.length], values: labels, kind: "i32" },
    ],
    apply: ([x, ids]) => crossEntropy(x!, ids!, options),
    expected: { shape: [], values: [reference(logits, labels, V, options)] },
  };
}

/** Label 0 is kept in front, so that at least one row counts; a third of the others are ignored. */
function makeCase(rows: number, V: number, seed: number, options: Options = {}): OpCase {
  const next = uniform(seed);
  const ignored = options.ignoreIndex ?? -100;
  const labels = Array.from({ length: rows }, (_, r) =>
    r > 0 && next() < 1 / 3 ? ignored : Math.floor(next() * V),
  );
  if (labels[0] === ignored) labels[0] = (ignored + 1) % V;
  return fromValues(values(rows * V, seed + 1, 3), labels, options);
}

describeOp({
  name: "crossEntropy",
  arbitrary: fc.record({
    ...{ rows: dim, V: wideDim.filter((V) => V > 2), seed },
    ignoreIndex: fc.constantFrom(-100, 0),
    labelSmoothing: fc.constantFrom(0, 0.1, 1),
  }),
  build: ({ rows, V, seed, ...options }) => makeCase(rows, V, seed, options),
  constants: {
    ignoreIndex: [
      fromValues(values(9, 1), [0, 1, 2], { ignoreIndex: 0 }),
      fromValues(values(9, 1), [0, 1, 2]),
    ],
    labelSmoothing: [makeCase(3, 5, 7, { labelSmoothing: 0.1 }), makeCase(3, 5, 7)],
  },
  examples: {
    "ignored rows in front, between and behind": fromValues(
      values(35, 3),
      [-100, 2, -100, 6, -100],
    ),
    "T5's vocabulary": makeCase(2, 32128, 11, { labelSmoothing: 0.1 }),
  },
});

describe("crossEntropy", () => {
  it("stays right with logits of ±10^4 and masked entries", async () => {
    const lowest = -3.4028234663852886e38;
    for (const c of [
      fromValues([1e4, -1e4, 9999, 1e4, -1e4, 9999], [1, 2]),
      fromValues([1, lowest, 2, 3, lowest, lowest], [0, 0]),
      fromValues([1, lowest, 2, 3, 4, lowest, lowest, lowest], [0, 0]),
    ]) {
      await checkForward(c);
      await checkOnWebGpu(c);
    }
  });

  it("takes labels of the logits' leading axes", async () => {
    const flat = fromValues(values(24, 5), [0, 1, 2, 3, -100, 1]);
    const apply: OpCase["apply"] = ([x, ids]) => crossEntropy(x!, ids!);
    const inputs = [
      { ...flat.inputs[0]!, shape: [2, 3, 4] },
      { ...flat.inputs[1]!, shape: [2, 3] },
    ];
    await checkForward({ ...flat, inputs, apply });
  });

  it.each([
    ["wasm", cpu],
    ["plain", plain],
    ["webgpu", gpu],
  ])("is NaN with a gradient of zeros when every label is ignored (%s)", async (_name, device) => {
    const memory = new Scope();
    const [loss, dx] = memory.run(() => {
      const logits = zeros([2, 3], { device, requiresGrad: true });
      const labels = tensor(Int32Array.of(-100, -100), [2], { device });
      const loss = crossEntropy(logits, labels);
      return [loss.item(), backward(loss).get(logits)!.data()];
    });
    expect(await loss).toBeNaN();
    expect([...(await dx)]).toEqual([0, 0, 0, 0, 0, 0]);
    memory.dispose();
  });

  it("saves one number a row, no probabilities", () => {
    scope(() => {
      const logits = zeros([64, 100], { device: cpu, requiresGrad: true });
      const labels = zeros([64], { device: cpu, dtype: "i32" });
      const before = cpu.memory().bytes;
      scope(() => crossEntropy(logits, labels));
      expect(cpu.memory().bytes - before).toBeLessThanOrEqual(4 * (64 + 2));
    });
  });

  it("refuses a label outside the vocabulary", async () => {
    expect(() => checkLabels([0, -100, 31, 32], 32)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: crossEntropy: labels must be in 0..31 or -100 (ignored), got 32 at 3]`,
    );
    expect(() => checkLabels([-1], 32)).toThrow("got -1 at 0");
    expect(() => checkLabels([1.5], 32)).toThrow("got 1.5 at 0");
    checkLabels([0, 31, -100], 32);
    checkLabels([7], 5, 7);
    scope(() => {
      const logits = zeros([1, 4], { device: plain });
      const labels = tensor(Int32Array.of(4), [1], { device: plain });
      expect(() => crossEntropy(logits, labels)).toThrow("got 4 at 0");
    });
  });

  const outside = [4, -1, 2 ** 31 - 1, -(2 ** 31)];
  it.each(outside.flatMap((label) => [cpu, gpu].map((device) => ({ label, device }))))(
    "gives NaN, and writes nowhere else, for a label of $label that nobody checked ($device.kind)",
    async ({ label, device }) => {
      const memory = new Scope();
      const [loss, dx] = memory.run(() => {
        const logits = zeros([1, 4], { device, requiresGrad: true });
        const loss = crossEntropy(logits, tensor(Int32Array.of(label), [1], { device }));
        return [loss.item(), backward(loss).get(logits)!.data()];
      });
      expect(await loss).toBeNaN();
      expect([...(await dx)]).toEqual([NaN, NaN, NaN, NaN]);
      memory.dispose();
    },
  );

  it("names what does not fit", () => {
    scope(() => {
      const logits = zeros([2, 3, 4], { device: cpu });
      const labels = zeros([6], { device: cpu, dtype: "i32" });
      expect(() => crossEntropy(logits, labels)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: crossEntropy: labels must be [2, 3], the rows of logits [2, 3, 4], got [6]]`,
      );
      const fitting = zeros([2, 3], { device: cpu, dtype: "i32" });
      expect(() =>
        crossEntropy(logits, fitting, { labelSmoothing: 1.5 }),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: crossEntropy: labelSmoothing must be in 0..1, got 1.5]`,
      );
    });
  });
});
