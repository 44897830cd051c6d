import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adafactorInPlace } from "../../src/kernels/optimizer/adafactor.ts";
import type { Device } from "../../src/tensor/device.ts";
import { ArgumentError, AutogradError, DtypeError, ShapeError } from "../../src/tensor/errors.ts";
import { toCamelCase } from "../../src/fields/names.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { tensor, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { Adafactor, type AdafactorOptions } from "../../src/optim/adafactor.ts";
import { adafactor as reference, type AdafactorReference } from "../reference/adafactor.ts";
import { distance } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { goldenNumbers, optimizersGolden } from "../support/optimizersGolden.ts";
import { seed, values } from "../support/random.ts";

type Dtype = "f32" | "f64" | "bf16" | "f16";

const settings: AdafactorReference & { readonly clipThreshold: number } = {
  ...{ rate: 0.01, beta2: 0.7, beta1: null, eps: 1e-30, clipThreshold: 1 },
  ...{ weightDecay: 0.1, leastScale: 1e-3 },
};
const momentsOf = (shape: readonly number[]) =>
  shape.length < 2
    ? { row: shape, col: null }
    : { row: shape.slice(0, -1), col: [...shape.slice(0, -2), shape.at(-1)!] };

/** Parameters and moments after updates with the given gradients; `scale` is multiplied into them. */
async function run(
  device: Device,
  dtype: Dtype,
  shape: readonly number[],
  start: ArrayLike<number>,
  gradients: readonly ArrayLike<number>[],
  change: Partial<AdafactorReference> = {},
  scale: number | null = null,
): Promise<{ p: number[]; moments: number[][] }> {
  const float = dtype === "f64" ? "f64" : "f32";
  const of = { ...settings, ...change };
  const make = (size: readonly number[]): Tensor => zeros(size, { device, dtype: float });
  const p = tensor(Float64Array.from(start), shape, { device, dtype });
  const moments = momentsOf(shape);
  const row = make(moments.row);
  const col = moments.col && make(moments.col);
  const m = of.beta1 == null ? null : make(shape);
  const factor = scale === null ? null : tensor([scale], [1], { device, dtype: float });
  for (const numbers of gradients) {
    const gradient = tensor(Float64Array.from(numbers), shape, { device, dtype: float });
    adafactorInPlace(
      { p, gradient, scale: factor, row, col, m },
      {
        ...{ rate: of.rate, beta2: of.beta2, beta1: of.beta1 ?? 0, eps: of.eps! },
        ...{ clipThreshold: of.clipThreshold!, weightDecay: of.weightDecay! },
        leastScale: of.leastScale!,
      },
    );
    gradient.dispose();
  }
  const all = [p, row, col, m].filter((x) => x !== null);
  const [first, ...rest] = await Promise.all(all.map(async (x) => [...(await x.data())]));
  for (const x of [...all, factor]) x?.dispose();
  return { p: first!, moments: rest };
}

function expected(
  shape: readonly number[],
  start: ArrayLike<number>,
  gradients: readonly ArrayLike<number>[],
  change: Partial<AdafactorReference> = {},
): { p: number[]; moments: number[][] } {
  const of = { ...settings, ...change };
  const { row, col } = momentsOf(shape);
  const empty = (of: readonly number[]): number[] => new Array<number>(sizeOf(of)).fill(0);
  const state = {
    ...{ p: Array.from(start), row: empty(row), col: col && empty(col) },
    m: of.beta1 == null ? null : empty(shape),
  };
  for (const gradient of gradients) reference(state, shape, Array.from(gradient), of);
  return { p: state.p, moments: [state.row, state.col, state.m].filter((x) => x !== null) };
}

/** Largest error as a share of the largest value. */
function error(actual: readonly number[], wanted: readonly number[]): number {
  return distance(actual, wanted) / Math.max(1e-30, ...wanted.map(Math.abs));
}

const shapes = fc.constantFrom<readonly number[]>(
  ...[[1], [5], [67], [1, 1], [3, 5], [4, 8], [130, 3], [2, 67], [2, 3, 4], [3, 1, 9]],
);

describe("the Adafactor kernels", () => {
  it.each([
    ["plain f64", plain, "f64", 1e-12],
    ["plain f32", plain, "f32", 3e-6],
    ["WebAssembly f32", cpu, "f32", 3e-6],
    ["WGSL f32", gpu, "f32", 3e-6],
  ] as const)("equal the formula (%s)", (_, device, dtype, tolerance) =>
    fc.assert(
      fc.asyncProperty(
        shapes,
        seed,
        fc.record({
          weightDecay: fc.constantFrom(0, 0.1),
          beta1: fc.constantFrom(null, 0.9),
          leastScale: fc.constantFrom(null, 1e-3, 10),
          eps: fc.constantFrom(1e-30, 0.01),
          clipThreshold: fc.constantFrom(1, 0.3, 100),
        }),
        async (shape, seed, change) => {
          const size = sizeOf(shape);
          const start = values(size, seed);
          const gradients = [1, 2, 3].map((i) => values(size, seed + i, 0.3));
          const scaled = gradients.map((each) => Array.from(each, (g) => g / 4));
          const actual = await run(device, dtype, shape, start, gradients, change, 0.25);
          const wanted = expected(shape, start, scaled, change);
          expect(error(actual.p, wanted.p)).toBeLessThan(tolerance);
          expect(actual.moments).toHaveLength(wanted.moments.length);
          wanted.moments.forEach((moment, i) =>
            expect(error(actual.moments[i]!, moment), `moment ${i}`).toBeLessThan(tolerance),
          );
        },
      ),
      { numRuns: device === gpu ? 12 : 25, seed: 7 },
    ),
  );

  it.each(["rate", "beta2", "eps", "clipThreshold", "weightDecay", "leastScale", "beta1"] as const)(
    "depend on %s",
    async (name) => {
      const other = {
        ...{ rate: 0.02, beta2: 0.2, eps: 0.5, clipThreshold: 0.1, weightDecay: 0.3 },
        ...{ leastScale: 20, beta1: 0.5 },
      };
      const shape = [3, 4];
      const start = values(12, 1);
      const gradients = [2, 3].map((i) => values(12, i));
      const change = { [name]: other[name] };
      const { p } = await run(cpu, "f32", shape, start, gradients, change);
      expect(error(p, expected(shape, start, gradients, change).p)).toBeLessThan(1e-6);
      expect(error(p, (await run(cpu, "f32", shape, start, gradients)).p)).toBeGreaterThan(1e-5);
    },
  );

  it.each([
    ["bf16", cpu],
    ["f16", cpu],
    ["bf16", gpu],
    ["f16", gpu],
  ] as const)(
    "round %s parameters once, as the TypeScript bodies do (%#)",
    async (dtype, device) => {
      for (const shape of [[5, 7], [9], [2, 3, 5]]) {
        const size = sizeOf(shape);
        const start = values(size, 3);
        const gradients = [4, 5, 6].map((i) => values(size, i, 0.3));
        const change = { beta1: 0.5 };
        const ours = await run(device, dtype, shape, start, gradients, change);
        const wanted = await run(plain, dtype, shape, start, gradients, change);
        // f32 and f64 arithmetic may round a value to the other neighbour.
        expect(ours.p.filter((x, i) => x !== wanted.p[i]).length).toBeLessThanOrEqual(1);
        ours.moments.forEach((moment, i) =>
          expect(error(moment, wanted.moments[i]!)).toBeLessThan(1e-3),
        );
      }
    },
  );

  it("refuse tensors that do not belong together", () => {
    const make = (shape: number[], dtype: "f32" | "i32" = "f32") =>
      zeros(shape, { device: cpu, dtype });
    const right = {
      ...{ p: make([2, 3]), gradient: make([2, 3]), scale: null },
      ...{ row: make([2]), col: make([3]), m: null },
    };
    const options = { ...settings, beta1: 0, eps: 0, weightDecay: 0, leastScale: null };
    const attempt = (change: object) => () => adafactorInPlace({ ...right, ...change }, options);
    expect(attempt({ row: make([3]) })).toThrow(ShapeError);
    expect(attempt({ col: null })).toThrow(
      "adafactor: col must be [3] for a parameter [2, 3], got null",
    );
    expect(attempt({ gradient: make([6]) })).toThrow(ShapeError);
    expect(attempt({ m: make([2]) })).toThrow(ShapeError);
    expect(attempt({ p: make([2, 3], "i32"), gradient: make([2, 3]) })).toThrow(DtypeError);
  });
});

const { adafactor: runs, shapes: goldenShapes } = optimizersGolden;

/** Adafactor's constructor from the keyword arguments of Python's. */
function fromKeywords(
  parameters: ReadonlyMap<string, Tensor>,
  kwargs: Readonly<Record<string, unknown>>,
): Adafactor {
  const options = Object.entries(kwargs).map(([key, value]) => [toCamelCase(key), value]);
  return new Adafactor(parameters, Object.fromEntries(options) as AdafactorOptions);
}

describe("Adafactor", () => {
  it.each(
    runs.flatMap((one) =>
      (
        [
          ["plain", plain],
          ["WebAssembly", cpu],
          ["WGSL", gpu],
        ] as const
      ).map(([name, device]) => [JSON.stringify(one.options), name, device, one] as const),
    ),
  )("with %s gives transformers' weights after 50 updates (%s)", async (_, __, device, one) => {
    const parameters = new Map(
      Object.entries(goldenShapes).map(([name, shape]) => [
        name,
        tensor(goldenNumbers(1, sizeOf(shape), 2), shape, { device, requiresGrad: true }),
      ]),
    );
    const optimizer = fromKeywords(parameters, one.options);
    for (let step = 1; step <= 50; step++) {
      const gradients = optimizer.zeroGrad();
      const given = [...parameters.values()].map((p, i): [Tensor, Tensor] => {
        const numbers = goldenNumbers(step * 10 + i, p.size, 2 ** ((step % 7) - 3));
        return [p, tensor(numbers, p.shape, { device })];
      });
      gradients.add(new Map(given));
      optimizer.step(gradients);
      gradients.dispose();
      for (const [, gradient] of given) gradient.dispose();
      for (const [name, wanted] of Object.entries(one.weights[step] ?? {})) {
        const actual = [...(await parameters.get(name)!.data())];
        expect(error(actual, wanted), `${name} after ${step}`).toBeLessThan(1e-6);
      }
    }
    expect(optimizer.steps).toBe(50);
    optimizer.dispose();
    for (const p of parameters.values()) p.dispose();
  });

  it("keeps what its name says, exempts norms from decay, and frees its state", async () => {
    const before = cpu.memory().bytes;
    const make = (shape: number[], requiresGrad = true) =>
      tensor(new Array<number>(sizeOf(shape)).fill(1), shape, { device: cpu, requiresGrad });
    const parameters = new Map([
      ["dense.weight", make([2, 3])],
      ["layer_norm.weight", make([3])],
      ["frozen", make([4], false)],
      ["unused", make([2])],
    ]);
    const options = { lr: 0, relativeStep: false, weightDecay: 0.5, beta1: 0.9 };
    const optimizer = new Adafactor(parameters, options);
    expect([...optimizer.state()].map(([name, { shape }]) => [name, [...shape]])).toEqual([
      ["dense.weight.exp_avg", [2, 3]],
      ["dense.weight.exp_avg_sq_row", [2]],
      ["dense.weight.exp_avg_sq_col", [3]],
      ["layer_norm.weight.exp_avg", [3]],
      ["layer_norm.weight.exp_avg_sq", [3]],
      ["unused.exp_avg", [2]],
      ["unused.exp_avg_sq", [2]],
    ]);
    const gradients = new Map(
      ["dense.weight", "layer_norm.weight"].map((name) => {
        const p = parameters.get(name)!;
        return [p, zeros(p.shape, { device: cpu })];
      }),
    );
    optimizer.step(gradients, 0.1, null);
    const read = async (name: string) => [...(await parameters.get(name)!.data())];
    for (const p of await read("dense.weight")) expect(p).toBeCloseTo(0.95, 6);
    expect(await read("layer_norm.weight")).toEqual([1, 1, 1]);
    expect(await read("unused")).toEqual([1, 1]);
    optimizer.dispose();
    for (const x of [...gradients.values(), ...parameters.values()]) x.dispose();
    expect(cpu.memory().bytes).toBe(before);
  });

  it("has a rate of its own with relativeStep", () => {
    const optimizer = new Adafactor([], { warmupInit: true });
    expect(optimizer.lr).toBeCloseTo(1e-6, 18);
    optimizer.steps = 1e6;
    expect(optimizer.lr).toBeCloseTo(1e-3, 8);
    expect(new Adafactor([]).lr).toBe(1e-2);
    expect(() => (optimizer.lr = 1)).toThrow("lr must not be set with relativeStep, got 1");
    const other = new Adafactor([], { lr: 1e-3, relativeStep: false });
    other.lr = 5;
    expect(other.lr).toBe(5);
  });

  it.each([
    [{ lr: 1e-3 }, "lr must be null with relativeStep, got 0.001"],
    [{ relativeStep: false }, "lr must be >= 0 without relativeStep, got null"],
    [{ lr: 1, relativeStep: false, warmupInit: true }, "warmupInit must be false without"],
    [{ beta1: 1 }, "beta1 must be null or in [0, 1), got 1"],
    [{ decayRate: 0.8 }, "decayRate must be < 0, got 0.8"],
    [{ clipThreshold: 0 }, "clipThreshold must be > 0, got 0"],
    [{ weightDecay: -1 }, "weightDecay must be >= 0, got -1"],
    [{ eps: [0, -1] as const }, "eps must be >= 0, got 0, -1"],
  ])("refuses %j", (options, message) => {
    expect(() => new Adafactor([], options)).toThrow(ArgumentError);
    expect(() => new Adafactor([], options)).toThrow(message);
  });

  it("begins an update once, and takes its own gradients alone", () => {
    const [a, b] = [new Adafactor([]), new Adafactor([])];
    const gradients = a.zeroGrad();
    expect(() => a.zeroGrad()).toThrow(AutogradError);
    expect(() => b.step(gradients)).toThrow(AutogradError);
    a.dispose();
    expect(gradients.disposed).toBe(true);
  });
});
