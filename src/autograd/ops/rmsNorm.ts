// RMSNorm (T5LayerNorm) with its gradient; the composition from small ops is its oracle.

import { rmsNormForward } from "../../kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../kernels/rows/rmsNormBackward.ts";
import { rmsNormBackwardBoth } from "../../kernels/rows/rmsNormBackwardBoth.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { holdCopy, keptDtype, type KeepOptions } from "../keptCopies.ts";
import { record } from "../tape.ts";
import { addScalar, div, mul, sqrt } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/** How `rmsNorm` keeps what backward reads. */
export interface RmsNormOptions extends KeepOptions {
  /**
   * Whether x is kept in 16 bits, too, where `keepAs` is given. As bf16: its range is f32's, and the residual stream of T5 passes
   * that of f16. Default true.
   */
  readonly keepX?: boolean;
}

/**
 * y = weight * x / sqrt(mean(x^2) + eps) over the last axis.
 * @param x [..., C]
 * @param weight [C], of x's dtype, or in 16 bits beside f32 (its gradient is f32)
 * @param eps > 0; T5 uses 1e-6
 * @param options `keepAs` is of the result, for the layers that read it; x is kept as bf16 beside it, or with `keepX` false as it is
 * @returns [..., C]
 * @throws {ShapeError} unless weight is [C]
 */
export function rmsNorm(
  x: Tensor,
  weight: Tensor,
  eps = 1e-6,
  { keepAs = null, keepX = true }: RmsNormOptions = {},
): Tensor {
  requireTensors("rmsNorm", { x, weight });
  const dtype = keptDtype(keepAs, [x, weight]);
  const copies = dtype && { keepAs: dtype, keepX };
  const { y, rrms, keptX, keptY } = rmsNormForward(x, weight, eps, copies);
  const output = record({
    name: "rmsNorm",
    inputs: [x, weight],
    output: y,
    saved: { x: keptX ?? x, weight, rrms },
    backward(dy, { x, weight, rrms }, { needs, onto }) {
      const [ontoX, ontoWeight] = [onto(0), onto(1)];
      // Where x is the weight, too, both are added to one tensor: no dispatch can write it twice.
      const isOne = ontoX !== null && ontoX === ontoWeight;
      if (needs[0] && needs[1] && !isOne) {
        const into = { dx: ontoX, dweight: ontoWeight };
        const { dx, dweight } = rmsNormBackwardBoth(x, weight, rrms, dy, into);
        return [dx, dweight];
      }
      return [
        needs[0] ? rmsNormBackward(x, weight, rrms, dy, ontoX) : null,
        needs[1] ? rmsNormBackwardWeight(x, rrms, dy, ontoWeight) : null,
      ];
    },
  });
  if (keptY) holdCopy(output, keptY);
  for (const saved of [keptX, rrms]) saved?.dispose(); // the tape has handles of its own
  return output;
}

/** The same from unfused ops: documentation and test oracle of `rmsNorm`. */
export function rmsNormComposed(x: Tensor, weight: Tensor, eps = 1e-6): Tensor {
  const meanSquare = mean(mul(x, x), [-1], true);
  return mul(weight, div(x, sqrt(addScalar(meanSquare, eps))));
}
