// One description per op, from which all its tests follow:
//   forward   f64 bodies and f32 (WebAssembly) against an independent f64 function of test/reference
//   gradients central differences in f64 to 1e-6, and f32 against f64
//   webgpu    the WGSL bodies, forward and backward, against the f64 bodies
//   constants each constant changes the reference's result, and ours follows
// test/meta/completeness.test.ts fails when an exported op has no such description.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { gradcheck } from "../../src/autograd/gradcheck.ts";
import { add } from "../../src/autograd/ops/pointwise.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { cpu, plain } from "./device.ts";
import { MORE_RUNS } from "./full.ts";
import { gpu } from "./gpu.ts";
import { values as randomValues } from "./random.ts";

export interface OpInput {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** Integer inputs take part in no gradient. Default "float". */
  readonly kind?: "float" | "i32";
  /** false leaves the input out of the gradients. */
  readonly grad?: boolean;
}

export interface OpCase {
  readonly inputs: readonly OpInput[];
  /** The op under test. */
  apply(inputs: Tensor[]): Tensor;
  /** Result of the plain f64 function in test/reference. */
  readonly expected: { readonly shape: readonly number[]; readonly values: ArrayLike<number> };
}

export interface OpDescription<C> {
  /** Exported name of the op. */
  readonly name: string;
  /** Random small cases: shapes of 1, odd sizes, sizes around vector widths, broadcasting, masks. */
  readonly arbitrary: fc.Arbitrary<C>;
  build(c: C): OpCase;
  /** For each constant two values and the case they give: the reference must differ, ours must follow. */
  readonly constants: Readonly<Record<string, readonly [OpCase, OpCase]>>;
  /** Particular cases: extremes, masked rows, sizes of T5. */
  readonly examples?: Readonly<Record<string, OpCase>>;
  /** Random cases tried on the cpu device. Default 25. */
  readonly runs?: number;
  /** Random cases tried on the webgpu device, each of them forward and backward. Default 8. */
  readonly webgpuRuns?: number;
  /** Allowed f32 error, relative to the largest entry. Default 2e-5. */
  readonly tolerance?: number;
  /** The same on webgpu, where exp and its kin may err by more. Default: `tolerance`. */
  readonly webgpuTolerance?: number;
  /** false for ops without a gradient (argmax). Default true. */
  readonly differentiable?: boolean;
}

export function describeOp<C>(op: OpDescription<C>): void {
  const runs = { numRuns: MORE_RUNS * (op.runs ?? 25), seed: 20261123 };
  const differentiable = op.differentiable ?? true;
  describe(op.name, () => {
    it("equals the f64 reference, in f64 and f32", () =>
      fc.assert(
        fc.asyncProperty(op.arbitrary, (c) => checkForward(op.build(c), op.tolerance)),
        runs,
      ));
    it.runIf(differentiable)("has the gradient of central differences", () =>
      fc.assert(
        fc.asyncProperty(op.arbitrary, (c) => checkGradients(op.build(c), op.tolerance)),
        { ...runs, numRuns: Math.ceil(runs.numRuns / 2) },
      ),
    );
    describeOnWebGpu(op, differentiable);
    for (const [title, example] of Object.entries(op.examples ?? {})) {
      it(title, async () => {
        await checkForward(example, op.tolerance);
        if (differentiable) await checkGradients(example, op.tolerance);
      });
    }
    for (const [constant, [one, other]] of Object.entries(op.constants)) {
      it(`depends on ${constant}`, async () => {
        const difference = distance(one.expected.values, other.expected.values);
        expect(difference).toBeGreaterThan(1e-3 * largest(one.expected.values));
        await checkForward(one, op.tolerance);
        await checkForward(other, op.tolerance);
      });
    }
  });
}

function describeOnWebGpu<C>(op: OpDescription<C>, differentiable: boolean): void {
  const tolerance = op.webgpuTolerance ?? op.tolerance;
  const check = (c: OpCase): Promise<void> => checkOnWebGpu(c, { tolerance, differentiable });
  it("equals the reference on webgpu, forward and backward", () =>
    fc.assert(
      fc.asyncProperty(op.arbitrary, (c) => check(op.build(c))),
      { numRuns: MORE_RUNS * (op.webgpuRuns ?? 8), seed: 20261124 },
    ));
  for (const [title, example] of Object.entries(op.examples ?? {})) {
    it(`${title}, on webgpu`, () => check(example));
  }
}

/** Result against the reference, and gradients against the f64 bodies, on a webgpu device. */
export async function checkOnWebGpu(
  c: OpCase,
  options: {
    readonly device?: WebGpuDevice;
    readonly tolerance?: number | undefined;
    readonly differentiable?: boolean;
  } = {},
): Promise<void> {
  const { device = gpu, tolerance, differentiable = true } = options;
  await checkOutput(c, device, "f32", tolerance);
  if (differentiable) await checkGradientsOnWebGpu(c, device, tolerance);
}

async function checkGradientsOnWebGpu(
  c: OpCase,
  device: WebGpuDevice,
  tolerance = 2e-5,
): Promise<void> {
  const exact = await gradientsOf(c, plain, "f64");
  const single = await gradientsOf(c, device, "f32");
  for (const [i, reference] of exact.entries()) {
    if (reference === null) continue;
    const allowed = 10 * tolerance * Math.max(largest(reference), 1e-3);
    const error = distance(single[i]!, reference);
    expect(error, `webgpu gradient of input ${i}`).toBeLessThanOrEqual(allowed);
  }
  await checkSums(c, exact, device, "f32", tolerance);
}

/** Forward pass on both devices against the reference. */
export async function checkForward(c: OpCase, tolerance = 2e-5): Promise<void> {
  await checkOutput(c, plain, "f64", 1e-12);
  await checkOutput(c, plain, "f32", tolerance);
  await checkOutput(c, cpu, "f32", tolerance);
}

async function checkOutput(
  c: OpCase,
  device: Device,
  dtype: "f32" | "f64",
  tolerance = 2e-5,
): Promise<void> {
  const scale = Math.max(largest(c.expected.values), 1e-30);
  const memory = new Scope();
  try {
    const output = memory.run(() => c.apply(makeInputs(c, device, dtype)));
    expect(output.shape).toEqual(c.expected.shape);
    const error = distance(await output.data(), c.expected.values);
    expect(error, `${nameOf(device)} ${dtype} error`).toBeLessThanOrEqual(tolerance * scale);
  } finally {
    memory.dispose();
  }
}

function nameOf(device: Device): string {
  if (device.kind === "webgpu") return "webgpu";
  return device === cpu ? "wasm" : "plain";
}

/** Gradients: f64 against differences; f32 (WebAssembly) against f64; each input alone as well as together. */
export async function checkGradients(c: OpCase, tolerance = 2e-5): Promise<void> {
  const memory = new Scope();
  try {
    const inputs = memory.run(() => makeInputs(c, plain, "f64"));
    await gradcheck((...xs) => c.apply(xs), inputs);
    const exact = await gradientsOf(c, plain, "f64");
    const single = await gradientsOf(c, cpu, "f32");
    for (const [i, reference] of exact.entries()) {
      if (reference === null) continue;
      const allowed = 10 * tolerance * Math.max(largest(reference), 1e-3);
      expect(distance(single[i]!, reference), `f32 gradient of input ${i}`).toBeLessThanOrEqual(
        allowed,
      );
      const alone = (await gradientsOf(c, plain, "f64", { only: i }))[i]!;
      expect(distance(alone, reference), `gradient of input ${i} alone`).toBeLessThanOrEqual(1e-12);
    }
    await checkSums(c, exact, plain, "f64", tolerance);
    await checkSums(c, exact, cpu, "f32", tolerance);
  } finally {
    memory.dispose();
  }
}

/** Gradients that meet are added up, by the rule itself or by the tape: two uses give twice the gradient. */
async function checkSums(
  c: OpCase,
  exact: readonly (ArrayLike<number> | null)[],
  device: Device,
  dtype: "f32" | "f64",
  tolerance: number,
): Promise<void> {
  const sums = await gradientsOf(c, device, dtype, { twice: true });
  for (const [i, reference] of exact.entries()) {
    if (reference === null) continue;
    const double = Float64Array.from(reference, (x) => 2 * x);
    // Two roundings, each as large as checkGradients allows one to be.
    const allowed =
      2 * (dtype === "f64" ? 1e-12 : 10 * tolerance) * Math.max(largest(reference), 1e-3);
    const error = distance(sums[i]!, double);
    expect(
      error,
      `${nameOf(device)} ${dtype} gradient of input ${i} used twice`,
    ).toBeLessThanOrEqual(allowed);
  }
}

/** Gradients of the inputs, null for those that have none; of the output's weighted sum, always the same one. */
export async function gradientsOf(
  c: OpCase,
  device: Device,
  dtype: "f32" | "f64",
  { only, twice = false }: { readonly only?: number; readonly twice?: boolean } = {},
): Promise<(ArrayLike<number> | null)[]> {
  const memory = new Scope();
  try {
    const gradients = memory.run(() => {
      const inputs = makeInputs(c, device, dtype);
      if (only !== undefined) inputs.forEach((x, i) => (x.requiresGrad = i === only));
      const leaves = inputs.filter((x) => x.requiresGrad);
      const output = twice ? add(c.apply(inputs), c.apply(inputs)) : c.apply(inputs);
      const seed = tensor(randomValues(output.size, 7), output.shape, { device, dtype });
      const found = backward(output, leaves, seed);
      return inputs.map((x) =>
        x.requiresGrad ? (found.get(x)?.data() ?? new Float64Array(x.size)) : null,
      );
    });
    return await Promise.all(gradients);
  } finally {
    memory.dispose();
  }
}

function makeInputs(c: OpCase, device: Device, dtype: "f32" | "f64"): Tensor[] {
  return c.inputs.map(({ shape, values, kind = "float", grad = true }) =>
    tensor(values, shape, {
      device,
      dtype: kind === "float" ? dtype : kind,
      requiresGrad: kind === "float" && grad,
    }),
  );
}

function largest(list: ArrayLike<number>): number {
  return Array.from(list).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Largest absolute difference; NaN on one side only counts as infinite. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    most = Math.max(most, Number.isNaN(difference) ? Infinity : difference);
  }
  return most;
}
