// Every shape class of the matmul shaders on webgpu against the TypeScript body. Classes are chosen by sizes; the
// tables here give them tile shapes so small that a few rows and columns already cross their borders.

import fc from "fast-check";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { matmulForwardInto } from "../../src/kernels/matmul/matmul.ts";
import { setTiles, type MatmulTiles, type Tile } from "../../src/kernels/matmul/tiles.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { seed, uniform } from "../support/random.ts";

const MORE_RUNS = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1);

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batchA: readonly number[];
  readonly batchB: readonly number[];
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
  readonly b: "f32" | "bf16" | "f16";
  /** Some elements are zero, large, or below f32's normal numbers. Large ones allow larger errors. */
  readonly extremes?: boolean;
  readonly seed: number;
}

const batches = [
  { batchA: [], batchB: [] },
  { batchA: [2], batchB: [2] },
  { batchA: [3], batchB: [] },
  { batchA: [2, 1], batchB: [1, 2] },
];

const product: fc.Arbitrary<Product> = fc
  .record({
    m: fc.constantFrom(1, 2, 3, 5, 8, 9, 12, 16, 33, 40),
    n: fc.constantFrom(1, 3, 4, 8, 20, 33, 36, 64),
    k: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 16, 17, 33),
    batch: fc.constantFrom(...batches),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    accumulate: fc.boolean(),
    b: fc.constantFrom("f32", "bf16", "f16"),
    extremes: fc.boolean(),
    seed,
  })
  .map(({ batch, ...rest }) => ({ ...rest, ...batch }));

function operand(count: number, { seed, extremes }: Product, which: number): number[] {
  const next = uniform(seed + which);
  return Array.from({ length: count }, () => {
    const x = 2 * next() - 1;
    const kind = extremes ? next() : 1;
    if (kind < 0.02) return 0;
    if (kind < 0.04) return Math.sign(x) * 1e4;
    return kind < 0.06 ? x * 1e-39 : x;
  });
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

interface Values {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly c: readonly number[];
}

function shapesOf(p: Product): Record<"a" | "b" | "c", readonly number[]> {
  const rank = Math.max(p.batchA.length, p.batchB.length);
  const batch = Array.from({ length: rank }, (_, i) =>
    Math.max(p.batchA[i] ?? 1, p.batchB[i - rank + p.batchB.length] ?? 1),
  );
  return {
    a: [...p.batchA, ...(p.transposeA ? [p.k, p.m] : [p.m, p.k])],
    b: [...p.batchB, ...(p.transposeB ? [p.n, p.k] : [p.k, p.n])],
    c: [...batch, p.m, p.n],
  };
}

async function multiply(p: Product, { a, b, c }: Values, device: Device): Promise<Float32Array> {
  const shapes = shapesOf(p);
  const memory = new Scope();
  try {
    const out = memory.run(() => {
      const left = tensor(a, shapes.a, { device });
      const right = tensor(b, shapes.b, { device, dtype: p.b });
      const result = tensor(c, shapes.c, { device });
      matmulForwardInto(left, right, result, p);
      return result;
    });
    return (await out.data()) as Float32Array;
  } finally {
    memory.dispose();
  }
}

/** webgpu against the TypeScript body, within what rounding of the products may add up to. */
async function check(p: Product, device: Device = gpu): Promise<void> {
  const shapes = shapesOf(p);
  const a = operand(sizeOf(shapes.a), p, 0);
  const b = operand(sizeOf(shapes.b), p, 1);
  const c = operand(sizeOf(shapes.c), p, 2);
  const absolute = (values: readonly number[]): number[] => values.map(Math.abs);
  const [ours, expected, magnitudes] = await Promise.all([
    multiply(p, { a, b, c }, device),
    multiply(p, { a, b, c }, plain),
    multiply(p, { a: absolute(a), b: absolute(b), c: absolute(c) }, plain),
  ]);
  const rounding = (p.k + 2) * 2 ** -24;
  expected.forEach((value, i) => {
    const allowed = rounding * magnitudes[i]! + 1e-34;
    const error = Math.abs(ours[i]! - value);
    // Not toBeLessThan: thousands of those take seconds. NaN must not pass.
    if (!(error <= allowed))
      expect.fail(`element ${i}: ${ours[i]} for ${value} of ${describeProduct(p)}`);
  });
}

function describeProduct(p: Product): string {
  return JSON.stringify(p);
}

const direct = (block: Tile["block"]): Tile => ({
  staged: false,
  threads: [2, 2],
  block,
  tileK: 4,
});
const staged = (block: Tile["block"]): Tile => ({ staged: true, threads: [2, 2], block, tileK: 8 });
const all = (tile: Tile): Pick<MatmulTiles, "large" | "small" | "tall" | "wide"> => ({
  ...{ large: tile, small: tile, tall: tile, wide: tile },
});

const tables: Readonly<Record<string, MatmulTiles>> = {
  "direct tiles, a column an invocation": {
    ...all(direct([4, 4])),
    rows: { workgroup: 16, slices: 1, cols: 1 },
    groups: 1,
  },
  "staged tiles, a column four invocations": {
    ...all(staged([4, 8])),
    rows: { workgroup: 16, slices: 4, cols: 4 },
    groups: 1,
  },
  "staged tall tiles, a column a workgroup": {
    ...all(staged([8, 4])),
    rows: { workgroup: 8, slices: 8, cols: 1 },
    groups: 1,
  },
};

describe.each(Object.entries(tables))("matmul on webgpu: %s", (_, tiles) => {
  afterEach(() => setTiles(gpu.adapter.name, null));

  it("equals the TypeScript body", () =>
    fc.assert(
      fc.asyncProperty(product, async (p) => {
        setTiles(gpu.adapter.name, tiles);
        await check(p);
      }),
      { numRuns: MORE_RUNS * 12, seed: 20261124 },
    ));

  const long: Product = {
    ...{ m: 9, n: 12, k: 1030, batchA: [2], batchB: [2], transposeA: true, transposeB: false },
    ...{ accumulate: true, b: "f32", seed: 3 },
  };
  it.each([
    ["aligned", { ...long, m: 12, k: 1036 }],
    ["odd", { ...long, n: 11, transposeA: false, transposeB: true }],
  ])("equals it where k is split (%s)", async (_title, p) => {
    setTiles(gpu.adapter.name, { ...tiles, groups: 40 });
    await check(p);
  });
});

it("gives zeros for an inner size of zero", async () => {
  const empty: Product = {
    ...{ m: 9, n: 5, k: 0, batchA: [], batchB: [], transposeA: false, transposeB: false },
    ...{ accumulate: false, b: "f32", seed: 3 },
  };
  const c = Array.from({ length: 45 }, () => 7);
  expect(await multiply(empty, { a: [], b: [], c }, gpu)).toEqual(new Float32Array(45));
});

describe("matmul on webgpu, of tensors larger than a binding", async () => {
  const small = await openWebGpu({ bindingBytes: 8192 });
  afterAll(() => small.close());

  const sizes = { m: 70, n: 50, k: 90, batchA: [2], batchB: [2], accumulate: false, seed: 5 };
  it.each<Omit<Product, keyof typeof sizes>>([
    { transposeA: false, transposeB: false, b: "f32" },
    { transposeA: true, transposeB: false, b: "bf16" },
    { transposeA: false, transposeB: true, b: "f16" },
    { transposeA: true, transposeB: true, b: "f32" },
  ])("cuts them (%o)", async (options) => {
    await check({ ...sizes, ...options }, small);
    await check({ ...sizes, ...options, m: 3, n: 300, accumulate: true }, small);
    await check({ ...sizes, ...options, m: 64, n: 48, k: 96 }, small);
  });
});
