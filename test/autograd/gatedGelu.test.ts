import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { dropout as applyDropout, type Dropout } from "../../src/autograd/ops/dropout.ts";
import { gatedGelu, gatedGeluComposed } from "../../src/autograd/ops/gatedGelu.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { dropout as referenceDropout } from "../reference/dropout.ts";
import { gatedGelu as reference } from "../reference/gatedGelu.ts";
import { checkForward, checkGradients, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

type Numbers = ArrayLike<number>;
type Size = readonly [rows: number, cols: number];

function makeCase(size: Size, seed: number, scale = 1, dropout: Dropout | null = null): OpCase {
  const count = size[0] * size[1];
  return fromValues(size, values(count, seed, scale), values(count, seed + 1), dropout);
}

function fromValues(shape: Size, a: Numbers, b: Numbers, dropout: Dropout | null = null): OpCase {
  const y = reference(a, b);
  return {
    inputs: [
      { shape, values: a },
      { shape, values: b },
    ],
    apply: ([a, b]) => gatedGelu(a!, b!, dropout),
    expected: { shape, values: dropout ? referenceDropout(y, dropout.p, dropout) : y },
  };
}

const base: Dropout = { p: 0.4, seed: 5, offset: 2 };
const dropped = (changes: Partial<Dropout>): OpCase =>
  makeCase([3, 17], 4, 1, { ...base, ...changes });

describeOp({
  name: "gatedGelu",
  arbitrary: fc.record({
    ...{ rows: dim, cols: wideDim, seed },
    dropout: fc.option(
      fc.record({
        p: fc.constantFrom(0, 0.1, 0.5, 1),
        seed: fc.oneof(seed, fc.maxSafeNat()),
        offset: fc.constantFrom(0, 1, 0x80000000, 0xffffffff),
      }),
    ),
  }),
  build: ({ rows, cols, seed, dropout }) => makeCase([rows, cols], seed, 1, dropout),
  constants: {
    p: [dropped({}), dropped({ p: 0.2 })],
    seed: [dropped({}), dropped({ seed: 6 })],
    "the seed's upper half": [dropped({}), dropped({ seed: 5 + 2 ** 32 })],
    offset: [dropped({}), dropped({ offset: 3 })],
  },
  examples: {
    "large inputs of both signs": makeCase([2, 17], 3, 30),
    "the knee of the curve": fromValues([1, 5], [-5, -3, -0.75, 0, 3], [1, 2, 3, 4, 5]),
    "a last vector of one element": makeCase([1, 33], 8),
    "the same under dropout": makeCase([1, 33], 8, 1, base),
    "no elements, under dropout": makeCase([0, 3], 8, 1, base),
  },
});

it("saturates: a for large a, 0 for large -a", async () => {
  await checkForward(fromValues([1, 6], [1e4, -1e4, 1e12, -1e12, 12, -12], [1, 1, 1e-9, 1, 1, 1]));
});

it.each([null, base])("equals its composition from small ops, with dropout %j", async (dropout) => {
  const fused = makeCase([3, 7], 21, 1, dropout);
  const composed: OpCase = {
    ...fused,
    apply: ([a, b]) => gatedGeluComposed(a!, b!, dropout),
  };
  await checkForward(composed);
  await checkGradients(composed);
});

type Apply = (a: Tensor, b: Tensor) => Tensor;

describe("with dropout", () => {
  /** Result and gradients; the first elements are not finite, and may be dropped. */
  async function compute(device: Device, dtype: "f32" | "f64", size: number, apply: Apply) {
    const odd = [NaN, Infinity, -Infinity, 1, 2, 3];
    const leaf = (seed: number, first: readonly number[]): Tensor => {
      const list = values(size, seed, 3);
      for (let i = 0; i < Math.min(size, first.length); i++) list[i] = first[i]!;
      return tensor(list, [size], { device, dtype, requiresGrad: true });
    };
    const data = scope(() => {
      const finite = device.kind === "webgpu"; // where NaN may be anything
      const [a, b] = [leaf(1, finite ? [] : odd), leaf(2, finite ? [] : odd.toReversed())];
      const y = apply(a, b);
      const gradients = backward(y, [a, b], leaf(3, []));
      return [y, gradients.get(a)!, gradients.get(b)!].map((x) => x.data());
    });
    return Promise.all(data);
  }

  const fused =
    (dropout: Dropout): Apply =>
    (a, b) =>
      gatedGelu(a, b, dropout);
  const twoOps =
    (dropout: Dropout): Apply =>
    (a, b) =>
      applyDropout(gatedGelu(a, b), dropout.p, dropout);

  // 20,011 elements are shared between threads.
  it.each([1, 3, 4, 15, 16, 17, 37, 20_011])(
    "is bit for bit dropout of it on the cpu device, of %i elements",
    async (size) => {
      for (const [device, dtype] of [
        [cpu, "f32"],
        [plain, "f32"],
        [plain, "f64"],
      ] as const) {
        for (const p of [0.1, 0.5, 1]) {
          const dropout = { ...base, p };
          const ours = await compute(device, dtype, size, fused(dropout));
          expect(ours).toEqual(await compute(device, dtype, size, twoOps(dropout)));
        }
      }
    },
  );

  it.each([1, 37, 4099])("is dropout of it on webgpu, of %i elements", async (size) => {
    const ours = await compute(gpu, "f32", size, fused(base));
    const expected = await compute(gpu, "f32", size, twoOps(base));
    for (const [i, list] of ours.entries()) {
      for (let j = 0; j < size; j++) {
        const [x, e] = [list[j]!, expected[i]![j]!];
        // A dropped element is 0 in both.
        expect(Math.abs(x - e), `result ${i} at ${j}`).toBeLessThanOrEqual(1e-6 * Math.abs(e));
      }
    }
  });

  it("drops nothing for p = 0", async () => {
    const ours = await compute(cpu, "f32", 37, fused({ ...base, p: 0 }));
    expect(ours).toEqual(await compute(cpu, "f32", 37, gatedGelu));
  });

  it("saves no mask, and runs one kernel each way", () => {
    scope(() => {
      const [a, b] = [1, 2].map(() => zeros([64], { device: cpu, requiresGrad: true }));
      const before = { ...cpu.memory(), dispatches: cpu.dispatches };
      const y = scope(() => gatedGelu(a!, b!, base));
      expect(cpu.memory().bytes - before.bytes).toBe(4 * 64);
      const dy = zeros([64], { device: cpu });
      backward(y, [a!, b!], dy);
      expect(cpu.dispatches - before.dispatches).toBe(2);
    });
  });

  it.each([-0.1, 1.1, NaN])("refuses p = %f", (p) => {
    scope(() => {
      const [a, b] = [zeros([2], { device: cpu }), zeros([2], { device: cpu })];
      const refused = `gatedGelu: p must be in 0..1, got ${p}`;
      expect(() => gatedGelu(a, b, { ...base, p })).toThrow(refused);
    });
  });
});

it("names both shapes when they differ", () => {
  scope(() => {
    const [a, b] = [zeros([2, 3], { device: cpu }), zeros([3], { device: cpu })];
    expect(() => gatedGelu(a, b)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: gatedGelu: b must be [2, 3] as a, got [3]]`,
    );
  });
});
