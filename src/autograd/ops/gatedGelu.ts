// Gated activations of a feed-forward layer. GELU, which FLAN-T5 uses, is fused; the others are composed.

import { gatedGeluBackward, gatedGeluForward } from "../../kernels/pointwise/gatedGelu.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";
import { gelu, mul, relu, silu, tanh } from "./pointwise.ts";

/**
 * gelu(a) * b, gelu being the tanh approximation (gelu_new of transformers).
 * @param a any shape
 * @param b of a's shape
 * @throws {ShapeError} unless both have one shape
 */
export function gatedGelu(a: Tensor, b: Tensor): Tensor {
  return record({
    name: "gatedGelu",
    inputs: [a, b],
    output: gatedGeluForward(a, b),
    saved: { a, b },
    backward(dy, { a, b }, needs) {
      const { da, db } = gatedGeluBackward(a, b, dy);
      return [needs[0] ? da : null, needs[1] ? db : null];
    },
  });
}

/** The same from unfused ops: documentation and test oracle of `gatedGelu`. */
export function gatedGeluComposed(a: Tensor, b: Tensor): Tensor {
  return mul(gelu(a), b);
}

const activations = { relu, silu, tanh } as const;

export type GatedActivation = "gelu" | keyof typeof activations;

/**
 * activation(a) * b.
 * @param a any shape
 * @param b of a's shape
 */
export function gatedActivation(name: GatedActivation, a: Tensor, b: Tensor): Tensor {
  return name === "gelu" ? gatedGelu(a, b) : mul(activations[name](a), b);
}
