// Several products in one kernel against each of them alone, on the adapter at hand: in one dispatch where it has matrix units
// (lavapipe: `npm run test:lavapipe`), one after another elsewhere; and cut into pieces where a binding is small.

import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { matmulGroupInto } from "../../src/kernels/matmul/group.ts";
import { MOST_OF_GROUP } from "../../src/kernels/matmul/groupBindings.ts";
import {
  matmulForward,
  matmulForwardInto,
  type MatmulIntoOptions,
} from "../../src/kernels/matmul/matmul.ts";
import { addForward } from "../../src/kernels/pointwise/pointwise.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, Tensor, zeros } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { MORE_RUNS } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values } from "../support/random.ts";

const small = await openWebGpu({ bindingBytes: 4096 });
afterAll(() => small.close());

/** Which operand all products share; a shared c is their sum. */
const SHARED = ["a", "b", "c"] as const;
const STORED = ["f32", "bf16", "f16", "q8"] as const;

interface Group {
  readonly shared: (typeof SHARED)[number];
  readonly stored: (typeof STORED)[number];
  readonly count: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
  readonly roundToF16: boolean;
  readonly seed: number;
}

const group: fc.Arbitrary<Group> = fc.record({
  shared: fc.constantFrom(...SHARED),
  stored: fc.constantFrom(...STORED),
  count: fc.integer({ min: 2, max: MOST_OF_GROUP }),
  m: fc.constantFrom(1, 5, 32, 37, 64, 130),
  n: fc.constantFrom(4, 32, 33, 64, 100),
  k: fc.constantFrom(1, 32, 33, 64, 96),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  accumulate: fc.boolean(),
  roundToF16: fc.boolean(),
  seed,
});

/** q8 is quantised along k, and products with it do not transpose a. */
function legal(given: Group): Group {
  if (given.stored !== "q8") return given;
  const k = 32 * Math.ceil(given.k / 32);
  return { ...given, transposeA: false, transposeB: true, k };
}

type Multiply = (as: Tensor[], bs: Tensor[], cs: Tensor[], options: MatmulIntoOptions) => void;

/** The results, with whatever multiplies; they begin as numbers that must go unless they are added to. */
function compute(device: Device, g: Group, multiply: Multiply): Tensor[] {
  const { m, n, k, count, shared, stored, transposeA, transposeB } = g;
  const many = (
    name: Group["shared"],
    shape: [number, number],
    at: number,
    dtype: Dtype = "f32",
  ): Tensor[] =>
    Array.from({ length: name === shared ? 1 : count }, (_, i) =>
      tensor(values(shape[0] * shape[1], g.seed + 10 * at + i), shape, { device, dtype }),
    );
  return scope(() => {
    const as = many("a", transposeA ? [k, m] : [m, k], 1);
    const bs = many("b", transposeB ? [n, k] : [k, n], 2, stored);
    const cs = many("c", [m, n], 3);
    multiply(as, bs, cs, g);
    return cs;
  });
}

/** The oracle: products alone, by plain loops. */
const oneByOne: Multiply = (as, bs, cs, options) => {
  for (let i = 0; i < Math.max(as.length, bs.length); i++) {
    const accumulate = options.accumulate === true || (cs.length === 1 && i > 0);
    matmulForwardInto(as[i] ?? as[0]!, bs[i] ?? bs[0]!, cs[i] ?? cs[0]!, {
      ...options,
      accumulate,
    });
  }
};

async function check(g: Group, device: Device, multiply: Multiply): Promise<void> {
  const [ours, expected] = [compute(device, g, multiply), compute(plain, g, oneByOne)];
  // Numbers are below 1. Matrix units may round both operands to 11 bits, and a cpu takes those of q8 as 16-bit integers; else sums
  // of f32 differ in their order.
  const rounds = g.roundToF16 && device.kind === "webgpu";
  const perProduct = rounds ? 2 ** -10 : g.stored === "q8" ? 2 ** -14 : 2 ** -20;
  const products = g.k * (g.shared === "c" ? g.count : 1);
  try {
    expect(ours.length).toBe(expected.length);
    for (const [i, c] of ours.entries()) {
      const error = distance(await c.data(), await expected[i]!.data());
      expect(error, `result ${i}`).toBeLessThanOrEqual(perProduct * (products + 1));
    }
  } finally {
    for (const c of [...ours, ...expected]) c.dispose();
  }
}

describe("products of a group", () => {
  const numRuns = 12 * MORE_RUNS;
  const property = (device: Device, multiply: Multiply, runs: number): Promise<void> =>
    fc.assert(
      fc.asyncProperty(group, (g) => check(legal(g), device, multiply)),
      { numRuns: runs, seed: 20261130 },
    );

  it(`are what each is alone, on ${gpu.adapter.name}`, { timeout: 600_000 }, () =>
    property(gpu, matmulGroupInto, numRuns),
  );

  it("are the same by the plain body", () => property(plain, matmulGroupInto, numRuns));

  it("are the same on the cpu device", () => property(cpu, matmulGroupInto, numRuns));

  it("are the same where a binding holds 4 KiB", { timeout: 600_000 }, () =>
    property(small, matmulGroupInto, numRuns / 3),
  );

  it("write to parts of one buffer, which a GPU may not bind twice over", async () => {
    const [m, n, k] = [64, 64, 64];
    const results = scope(() => {
      const x = tensor(values(k * n, 1), [k, n], { device: gpu, dtype: "f32" });
      const dys = [2, 3].map((seed) =>
        tensor(values(k * m, seed), [k, m], { device: gpu, dtype: "f32" }),
      );
      const whole = zeros([2 * m, n], { device: gpu });
      const bytes = 4 * m * n;
      const parts = [0, 1].map((i) => {
        return new Tensor(whole.storage.slice(i * bytes, bytes), [m, n], "f32", gpu);
      });
      matmulGroupInto(dys, [x], parts, { transposeA: true });
      const alone = dys.map((dy) => matmulForward(dy, x, { transposeA: true }));
      return { parts, alone };
    });
    for (const [i, part] of results.parts.entries()) {
      expect(distance(await part.data(), await results.alone[i]!.data())).toBeLessThan(1e-4);
    }
  });

  it("read operands that lie in the buffer of a result", async () => {
    const [m, n, k] = [64, 64, 64];
    const results = scope(() => {
      const bytes = 4 * m * n;
      const data = values(4 * m * n, 5);
      const whole = tensor(data, [4 * m, n], { device: gpu, dtype: "f32" });
      const part = (i: number): Tensor =>
        new Tensor(whole.storage.slice(i * bytes, bytes), [m, n], "f32", gpu);
      const [dys, sum] = [[part(0), part(1), part(2)], part(3)];
      const weights = [6, 7, 8].map((seed) =>
        tensor(values(n * k, seed), [n, k], { device: gpu, dtype: "f32" }),
      );
      const alone = dys
        .map((_, i) => {
          const own = tensor(data.subarray(i * m * n, (i + 1) * m * n), [m, n], {
            device: gpu,
            dtype: "f32",
          });
          return matmulForward(own, weights[i]!);
        })
        .reduce((x, y) => addForward(x, y));
      matmulGroupInto(dys, weights, [sum], {});
      return { sum, alone };
    });
    const { sum, alone } = results;
    expect(distance(await sum.data(), await alone.data())).toBeLessThan(1e-3);
    sum.dispose();
    alone.dispose();
  });
});
