// FLAN-T5's gated activation, fused. The gates of other models are composed where they are used (t5/layers.ts).

import { gatedGeluBackward, gatedGeluForward } from "../../kernels/pointwise/gatedGelu.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";
import { gelu, mul } from "./pointwise.ts";

/**
 * gelu(a) * b, gelu being the tanh approximation (gelu_new of transformers).
 * @param a any shape
 * @param b of a's shape
 * @throws {ShapeError} unless both have one shape
 */
export function gatedGelu(a: Tensor, b: Tensor): Tensor {
  requireTensors("gatedGelu", { a, b });
  return record({
    name: "gatedGelu",
    inputs: [a, b],
    output: gatedGeluForward(a, b),
    saved: { a, b },
    backward(dy, { a, b }, { needs }) {
      const { da, db } = gatedGeluBackward(a, b, dy);
      return [needs[0] ? da : null, needs[1] ? db : null];
    },
  });
}

/** The same from unfused ops: documentation and test oracle of `gatedGelu`. */
export function gatedGeluComposed(a: Tensor, b: Tensor): Tensor {
  return mul(gelu(a), b);
}
