// One call of an op with what it must give, and how its tensors are made and compared.

import { backward } from "../autograd/backward.ts";
import { add } from "../autograd/ops/pointwise.ts";
import type { Device } from "../tensor/device.ts";
import { Scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { values as randomValues } from "./random.ts";

/** A tensor that an op is called with. */
export interface OpInput {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** Integer inputs take part in no gradient. Default "float". */
  readonly kind?: "float" | "i32";
  /** false leaves the input out of the gradients. */
  readonly grad?: boolean;
}

/** One call of an op, with the result of an independent definition of it. */
export interface OpCase {
  readonly inputs: readonly OpInput[];
  /** The op under test. */
  apply(inputs: Tensor[]): Tensor;
  /** Result of a plain f64 function. */
  readonly expected: { readonly shape: readonly number[]; readonly values: ArrayLike<number> };
}

/** Which gradients `gradientsOf` takes. */
export interface GradientOptions {
  /** The one input that requires a gradient; all of them by default. */
  readonly only?: number;
  /** Of op + op, where every gradient meets itself. Default false. */
  readonly twice?: boolean;
}

/** The inputs of a case on a device; floats of `dtype`, with gradients. */
export function makeInputs(c: OpCase, device: Device, dtype: "f32" | "f64"): Tensor[] {
  return c.inputs.map(({ shape, values, kind = "float", grad = true }) =>
    tensor(values, shape, {
      device,
      dtype: kind === "float" ? dtype : kind,
      requiresGrad: kind === "float" && grad,
    }),
  );
}

/** Gradients of the inputs, null for those that have none; of the output's weighted sum, always the same one. */
export async function gradientsOf(
  c: OpCase,
  device: Device,
  dtype: "f32" | "f64",
  { only, twice = false }: GradientOptions = {},
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

/** The largest absolute value; 0 of none. */
export function largest(list: ArrayLike<number>): number {
  return Array.from(list).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Largest absolute difference; NaN on one side only counts as infinite. @throws {Error} for unequal lengths */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`must be ${b.length} values, got ${a.length}`);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    most = Math.max(most, Number.isNaN(difference) ? Infinity : difference);
  }
  return most;
}
