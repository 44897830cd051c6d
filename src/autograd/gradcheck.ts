// Gradients against central differences.

import type { DataArray } from "../tensor/dtype.ts";
import { AutogradError, DtypeError } from "../tensor/errors.ts";
import { Scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { backward } from "./backward.ts";
import { noGrad } from "./tape.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** How closely `gradcheck` looks. */
export interface GradcheckOptions {
  /** Step of the differences, relative to max(1, |x|). Default 1e-5, right for f64. */
  readonly step?: number;
  /** Largest |analytic - numeric| / max(1, |analytic|, |numeric|) allowed. Default 1e-6. */
  readonly tolerance?: number;
  /** At most this many elements of each input are moved, spread evenly. Default 40. */
  readonly maxElements?: number;
}

/**
 * Compares the gradients of fn with central differences, through a fixed random weighting of its output.
 * Tensors should be f64: in f32 differences have three digits.
 * @param fn pure; called many times
 * @param inputs leaves; those with requiresGrad are checked
 * @returns the largest relative error
 * @throws {AutogradError} naming the input and element where the error is above the tolerance
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<number> {
  const { step = 1e-5, tolerance = 1e-6, maxElements = 40 } = options;
  const cure = "Call gradcheck(fn, [x, ...]).";
  requireThat(
    typeof fn === "function",
    "gradcheck",
    "fn must be a function of the inputs",
    fn,
    cure,
  );
  requireThat(
    Array.isArray(inputs),
    "gradcheck",
    "inputs must be an array of tensors",
    inputs,
    cure,
  );
  const checked = inputs.filter((x) => x.requiresGrad);
  const { weights, gradients } = await analyticGradients(fn, inputs, checked);
  let worst = 0;
  for (const [which, x] of checked.entries()) {
    const values = await x.data();
    for (const i of spread(x.size, maxElements)) {
      const h = step * Math.max(1, Math.abs(values[i]!));
      const at = (value: number) => weightedOutput(fn, inputs, weights, { x, values, i, value });
      const numeric = ((await at(values[i]! + h)) - (await at(values[i]! - h))) / (2 * h);
      const analytic = gradients[which]![i]!;
      const error =
        Math.abs(analytic - numeric) / Math.max(1, Math.abs(analytic), Math.abs(numeric));
      worst = Math.max(worst, error);
      if (!(error <= tolerance)) {
        throw new AutogradError(
          `gradcheck: gradient of input ${inputs.indexOf(x)} at ${i} must be ${numeric}, got ${analytic}`,
        );
      }
    }
  }
  return worst;
}

/** Gradients of sum(weights * fn(inputs)); zeros where the output does not depend on an input. */
async function analyticGradients(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  checked: readonly Tensor[],
): Promise<{ weights: Float64Array; gradients: ArrayLike<number>[] }> {
  const memory = new Scope();
  try {
    const output = memory.run(() => fn(...inputs));
    const { device, dtype, shape } = output;
    if (dtype !== "f64") throw new DtypeError(`gradcheck: tensors must be f64, got ${dtype}`);
    const weights = weighting(output.size);
    const found = memory.run(() => backward(output, checked, tensor(weights, shape, { device })));
    const gradients = checked.map((x) => found.get(x)?.data() ?? new Float64Array(x.size));
    return { weights, gradients: await Promise.all(gradients) };
  } finally {
    memory.dispose();
  }
}

interface Move {
  readonly x: Tensor;
  readonly values: DataArray;
  readonly i: number;
  readonly value: number;
}

/** sum(weights * fn(inputs)) with element i of one input moved to `value`; frees everything it made. */
async function weightedOutput(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  weights: Float64Array,
  { x, values, i, value }: Move,
): Promise<number> {
  const memory = new Scope();
  try {
    const copy = Float64Array.from(values);
    copy[i] = value;
    const output = memory.run(() => {
      const moved = tensor(copy, x.shape, { device: x.device });
      return noGrad(() => fn(...inputs.map((y) => (y === x ? moved : y))));
    });
    const result = await output.data();
    return weights.reduce((total, weight, at) => total + weight * result[at]!, 0);
  } finally {
    memory.dispose();
  }
}

/** Weights of 0.5 to 1.5 in magnitude and of both signs, so that no two outputs cancel by chance. */
function weighting(size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => {
    const u = Math.abs(Math.sin((i + 1) * 12.9898) * 43758.5453) % 1;
    return (i % 2 ? -1 : 1) * (0.5 + u);
  });
}

function spread(size: number, most: number): number[] {
  const count = Math.min(size, most);
  return Array.from({ length: count }, (_, i) => Math.floor((i * size) / count));
}
