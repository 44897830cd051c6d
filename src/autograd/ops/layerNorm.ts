// Layer norm with its gradient; the composition from small ops is its oracle.

import {
  layerNormBackward,
  layerNormBackwardWeight,
  layerNormForward,
} from "../../kernels/rows/layerNorm.ts";
import { sumAxesForward } from "../../kernels/rows/reduce.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";
import { add, addScalar, div, mul, sqrt, sub } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/**
 * y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias over the last axis, with the variance that divides by C, as
 * torch.nn.functional.layer_norm has it.
 * @param x [..., C]
 * @param weight [C], of x's dtype
 * @param bias [C], of x's dtype
 * @param eps > 0; torch's default 1e-5
 * @returns [..., C]
 * @throws {ShapeError} unless weight and bias are [C]
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  requireTensors("layerNorm", { x, weight, bias });
  const { y, mean, rstd } = layerNormForward(x, weight, bias, eps);
  const rows = x.shape.map((_, axis) => axis).slice(0, -1);
  const output = record({
    name: "layerNorm",
    inputs: [x, weight, bias],
    output: y,
    saved: { x, weight, mean, rstd },
    backward: (dy, { x, weight, mean, rstd }, { needs, onto }) => [
      needs[0] ? layerNormBackward(x, weight, { mean, rstd }, dy) : null,
      needs[1] ? layerNormBackwardWeight(x, { mean, rstd }, dy, onto(1)) : null,
      needs[2] ? sumAxesForward(dy, rows, false, "layerNorm") : null,
    ],
  });
  for (const saved of [mean, rstd]) saved.dispose(); // the tape has handles of its own
  return output;
}

/** The same from unfused ops: documentation and test oracle of `layerNorm`. */
export function layerNormComposed(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const centered = sub(x, mean(x, [-1], true));
  const variance = mean(mul(centered, centered), [-1], true);
  return add(mul(div(centered, sqrt(addScalar(variance, eps))), weight), bias);
}
