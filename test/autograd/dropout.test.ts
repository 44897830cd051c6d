import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { dropout, dropoutAdd, dropoutAddComposed } from "../../src/autograd/ops/dropout.ts";
import { Generator } from "../../src/tensor/philox.ts";
import { scope } from "../../src/tensor/scope.ts";
import { full, zeros } from "../../src/tensor/tensor.ts";
import { dropout as reference } from "../reference/dropout.ts";
import { checkForward, checkGradients, describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

interface Case {
  readonly rows: number;
  readonly cols: number;
  readonly seed: number;
  readonly offset: number;
  readonly p: number;
}

function makeCase({ rows, cols, seed, offset, p }: Case): OpCase {
  const x = values(rows * cols, 3);
  return {
    inputs: [{ shape: [rows, cols], values: x }],
    apply: ([x]) => dropout(x!, p, { seed, offset }),
    expected: { shape: [rows, cols], values: reference(x, p, { seed, offset }) },
  };
}

function makeAddCase(c: Case): OpCase {
  const { rows, cols, p, seed, offset } = c;
  const { inputs, expected } = makeCase(c);
  const residual = values(rows * cols, 4);
  return {
    inputs: [{ shape: [rows, cols], values: residual }, ...inputs],
    apply: ([residual, x]) => dropoutAdd(residual!, x!, p, { seed, offset }),
    expected: {
      shape: expected.shape,
      values: residual.map((value, i) => value + expected.values[i]!),
    },
  };
}

const base: Case = { rows: 3, cols: 17, seed: 5, offset: 2, p: 0.4 };
const arbitrary = fc.record({
  ...{ rows: dim, cols: wideDim },
  seed: fc.oneof(seed, fc.maxSafeNat()),
  offset: fc.constantFrom(0, 1, 0x80000000, 0xffffffff),
  p: fc.constantFrom(0, 0.1, 0.5, 0.9, 1),
});

for (const [name, make] of [
  ["dropout", makeCase],
  ["dropoutAdd", makeAddCase],
] as const) {
  describeOp({
    name,
    arbitrary,
    build: make,
    constants: {
      p: [make(base), make({ ...base, p: 0.2 })],
      seed: [make(base), make({ ...base, seed: 6 })],
      "the seed's upper half": [make(base), make({ ...base, seed: 5 + 2 ** 32 })],
      offset: [make(base), make({ ...base, offset: 3 })],
    },
  });
}

/** Which of `size` ones a dropout kept. */
async function keptOf(size: number, p: number, generator: Generator): Promise<boolean[]> {
  const data = scope(() => {
    const y = dropout(full([size], 1, { device: cpu }), p, generator.next());
    return [y.data()];
  });
  return Array.from(await data[0]!, (value) => value !== 0);
}

describe("dropout", () => {
  it.each([0.1, 0.5])("keeps a share of 1 - %f, independently under each offset", async (p) => {
    const size = 200_000;
    const generator = new Generator(99);
    const one = await keptOf(size, p, generator);
    const other = await keptOf(size, p, generator);
    const share = (list: boolean[]) => list.filter(Boolean).length / size;
    const sigma = (q: number) => Math.sqrt((q * (1 - q)) / size);
    expect(Math.abs(share(one) - (1 - p))).toBeLessThan(5 * sigma(p));
    expect(Math.abs(share(other) - (1 - p))).toBeLessThan(5 * sigma(p));
    const both = share(one.map((kept, i) => kept && other[i]!));
    expect(Math.abs(both - (1 - p) ** 2)).toBeLessThan(5 * sigma((1 - p) ** 2));
    const neighbours = share(one.map((kept, i) => kept && one[(i + 1) % size]!));
    expect(Math.abs(neighbours - (1 - p) ** 2)).toBeLessThan(5 * sigma((1 - p) ** 2));
  });

  it("returns x itself for p = 0, and zeros for p = 1", async () => {
    const x = full([5], 2, { device: cpu });
    expect(dropout(x, 0, { seed: 1, offset: 0 })).toBe(x);
    const y = dropout(x, 1, { seed: 1, offset: 0 });
    expect([...(await y.data())]).toEqual([0, 0, 0, 0, 0]);
    x.dispose();
    y.dispose();
  });

  it("saves nothing", () => {
    scope(() => {
      const x = full([64], 2, { device: cpu, requiresGrad: true });
      const before = cpu.memory().bytes;
      scope(() => dropout(x, 0.5, { seed: 1, offset: 0 }));
      expect(cpu.memory().bytes - before).toBe(4 * 64);
    });
  });

  it.each([-0.1, 1.1, NaN])("refuses p = %f", (p) => {
    scope(() => {
      const x = zeros([2], { device: cpu });
      expect(() => dropout(x, p, { seed: 1, offset: 0 })).toThrow(`p must be in 0..1, got ${p}`);
    });
  });
});

describe("dropoutAdd", () => {
  it("equals its composition from two ops", async () => {
    const fused = makeAddCase(base);
    const composed: OpCase = {
      ...fused,
      apply: ([residual, x]) => dropoutAddComposed(residual!, x!, base.p, base),
    };
    await checkForward(composed);
    await checkGradients(composed);
  });

  it("hands its gradient to the residual as it is", () => {
    scope(() => {
      const residual = zeros([4], { device: cpu, requiresGrad: true });
      const x = zeros([4], { device: cpu });
      const dy = full([4], 3, { device: cpu });
      const y = dropoutAdd(residual, x, 0.5, { seed: 1, offset: 0 });
      expect(backward(y, [residual], dy).get(residual)!.storage).toBe(dy.storage);
    });
  });

  it("names both shapes when they differ", () => {
    scope(() => {
      const [residual, x] = [zeros([3], { device: cpu }), zeros([2, 3], { device: cpu })];
      const stream = { seed: 1, offset: 0 };
      expect(() => dropoutAdd(residual, x, 0.5, stream)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: dropoutAdd: residual must be [2, 3] as x, got [3]]`,
      );
    });
  });
});
