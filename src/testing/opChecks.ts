// What is checked of a case: its result and its gradients, on the bodies that run on each device.

import { gradcheck } from "../autograd/gradcheck.ts";
import type { Device } from "../tensor/device.ts";
import { Scope } from "../tensor/scope.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import { distance, gradientsOf, largest, makeInputs, type OpCase } from "./opCase.ts";

/** Where an op is checked; `openTestDevices` opens them. */
export interface TestDevices {
  /** A cpu device opened with `kernels: "plain"`: it computes in f64, too, by which the others are measured. */
  readonly plain: Device;
  /** The cpu device as users open it. */
  readonly cpu: Device;
  /** null where there is no adapter: WGSL bodies are then not checked. */
  readonly webgpu: Device | null;
}

/** Allowed f32 error, relative to the largest entry, unless a check is given another. */
export const DEFAULT_TOLERANCE = 2e-5;
/** The same in f64. */
const EXACT = 1e-12;

type Gradients = readonly (ArrayLike<number> | null)[];

/**
 * Result on the cpu devices against the reference: f64 to 1e-12, f32 within `tolerance`.
 * @throws {Error} naming the body, the error and what is allowed
 */
export async function checkForward(
  c: OpCase,
  { plain, cpu }: TestDevices,
  tolerance = DEFAULT_TOLERANCE,
): Promise<void> {
  await checkOutput(c, plain, "f64", EXACT);
  await checkOutput(c, plain, "f32", tolerance);
  await checkOutput(c, cpu, "f32", tolerance);
}

/**
 * Gradients on the cpu devices: f64 against central differences, f32 against f64 within ten times `tolerance`, each input's
 * alone as well as together, and the sum of two uses.
 * @throws {Error} naming the input
 */
export async function checkGradients(
  c: OpCase,
  { plain, cpu }: TestDevices,
  tolerance = DEFAULT_TOLERANCE,
): Promise<void> {
  const memory = new Scope();
  try {
    const inputs = memory.run(() => makeInputs(c, plain, "f64"));
    await gradcheck((...xs) => c.apply(xs), inputs);
  } finally {
    memory.dispose();
  }
  const exact = await gradientsOf(c, plain, "f64");
  await compareGradients(c, exact, cpu, tolerance);
  for (const [only, reference] of exact.entries()) {
    if (reference === null) continue;
    const alone = (await gradientsOf(c, plain, "f64", { only }))[only]!;
    atMost(distance(alone, reference), EXACT, `gradient of input ${only} alone`);
  }
  await checkSums(c, exact, plain, "f64", tolerance);
  await checkSums(c, exact, cpu, "f32", tolerance);
}

/** How `checkOnWebGpu` checks. */
export interface WebGpuCheckOptions {
  /** As for `checkForward`. */
  readonly tolerance?: number | undefined;
  /** false for ops without a gradient. Default true. */
  readonly differentiable?: boolean;
}

/**
 * Result against the reference, and gradients against the f64 bodies, on the webgpu device.
 * @throws {Error} naming the input
 */
export async function checkOnWebGpu(
  c: OpCase,
  { plain, webgpu }: { readonly plain: Device; readonly webgpu: Device },
  { tolerance = DEFAULT_TOLERANCE, differentiable = true }: WebGpuCheckOptions = {},
): Promise<void> {
  await checkOutput(c, webgpu, "f32", tolerance);
  if (!differentiable) return;
  const exact = await gradientsOf(c, plain, "f64");
  await compareGradients(c, exact, webgpu, tolerance);
  await checkSums(c, exact, webgpu, "f32", tolerance);
}

async function checkOutput(
  c: OpCase,
  device: Device,
  dtype: "f32" | "f64",
  tolerance: number,
): Promise<void> {
  const scale = Math.max(largest(c.expected.values), 1e-30);
  const memory = new Scope();
  try {
    const output = memory.run(() => c.apply(makeInputs(c, device, dtype)));
    if (!sameShape(output.shape, c.expected.shape)) {
      throw new Error(
        `${bodyOf(device)} ${dtype} shape must be ${formatShape(c.expected.shape)}, got ${formatShape(output.shape)}`,
      );
    }
    const error = distance(await output.data(), c.expected.values);
    atMost(error, tolerance * scale, `${bodyOf(device)} ${dtype}`);
  } finally {
    memory.dispose();
  }
}

async function compareGradients(
  c: OpCase,
  exact: Gradients,
  device: Device,
  tolerance: number,
): Promise<void> {
  const single = await gradientsOf(c, device, "f32");
  for (const [i, reference] of exact.entries()) {
    if (reference === null) continue;
    const allowed = 10 * tolerance * Math.max(largest(reference), 1e-3);
    atMost(distance(single[i]!, reference), allowed, `${bodyOf(device)} gradient of input ${i}`);
  }
}

/** Gradients that meet are added up, by the rule itself or by the tape: two uses give twice the gradient. */
async function checkSums(
  c: OpCase,
  exact: Gradients,
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
      2 * (dtype === "f64" ? EXACT : 10 * tolerance) * Math.max(largest(reference), 1e-3);
    const what = `${bodyOf(device)} ${dtype} gradient of input ${i} used twice`;
    atMost(distance(sums[i]!, double), allowed, what);
  }
}

function bodyOf({ kind, bodies }: Device): string {
  return kind === "webgpu" ? "webgpu" : bodies;
}

function atMost(error: number, allowed: number, what: string): void {
  if (error <= allowed) return;
  throw new Error(`${what}: the error must be at most ${allowed}, got ${error}`);
}
