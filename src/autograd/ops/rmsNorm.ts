// RMSNorm (T5LayerNorm) with its gradient; the composition from small ops is its oracle.

import {
  rmsNormBackward,
  rmsNormBackwardWeight,
  rmsNormForward,
} from "../../kernels/rows/rmsNorm.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";
import { addScalar, div, mul, sqrt } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/**
 * y = weight * x / sqrt(mean(x^2) + eps) over the last axis.
 * @param x [..., C]
 * @param weight [C], of x's dtype, or in 16 bits beside f32 (its gradient is f32)
 * @param eps > 0; T5 uses 1e-6
 * @returns [..., C]
 * @throws {ShapeError} unless weight is [C]
 */
export function rmsNorm(x: Tensor, weight: Tensor, eps = 1e-6): Tensor {
  requireTensors("rmsNorm", { x, weight });
  const { y, rrms } = rmsNormForward(x, weight, eps);
  return record({
    name: "rmsNorm",
    inputs: [x, weight],
    output: y,
    saved: { x, weight, rrms },
    backward: (dy, { x, weight, rrms }, { needs, onto }) => [
      needs[0] ? rmsNormBackward(x, weight, rrms, dy, onto(0)) : null,
      needs[1] ? rmsNormBackwardWeight(x, rrms, dy, onto(1)) : null,
    ],
  });
}

/** The same from unfused ops: documentation and test oracle of `rmsNorm`. */
export function rmsNormComposed(x: Tensor, weight: Tensor, eps = 1e-6): Tensor {
  const meanSquare = mean(mul(x, x), [-1], true);
  return mul(weight, div(x, sqrt(addScalar(meanSquare, eps))));
}
