// Matrix products with their gradients.
//
// With C = op(A) op(B) and dC, for stored A and B:
//   dA = dC op(B)^T, or its transpose op(B) dC^T when A is stored transposed
//   dB = op(A)^T dC, or its transpose dC^T op(A) when B is stored transposed
// summed over the axes that were broadcast.

import { castForward } from "../../kernels/pointwise/cast.ts";
import {
  matmulForward as product,
  matmulForwardInto,
  productShape,
  type MatmulOptions,
} from "../../kernels/matmul/matmul.ts";
import { sumToForward } from "../../kernels/rows/reduce.ts";
import { isHalf } from "../../tensor/dtype.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import { alias, type Tensor } from "../../tensor/tensor.ts";
import { keptDtype, keptOf, releaseKept, type KeepOptions } from "../keptCopies.ts";
import { record } from "../tape.ts";

/**
 * op(a) op(b) over the last two axes; op transposes where `options` says so.
 * @param a f32 or f64 [..., M, K]
 * @param b [..., K, N], of a's dtype, or in 16 bits beside f32 (its gradient is f32); batch axes
 *   broadcast as in NumPy. Beside f32, b may be one matrix of q8, which has no gradient
 * @param options `keepAs` applies to a, where b is stored [N, K] and has a gradient
 * @returns [..., M, N]
 * @throws {ShapeError} for fewer than two axes, inner sizes that differ, or batches that do not broadcast
 * @throws {DtypeError} when a is not f32 or f64, or b is another dtype than these
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions & KeepOptions = {}): Tensor {
  requireTensors("matmul", { a, b });
  const { transposeA = false, transposeB = false, roundToF16 = false, keepAs } = options;
  // A product reads 16 bits on its right side alone, where the gradient of a b stored [N, K] has a.
  const narrows = b.requiresGrad && transposeB && !transposeA;
  const output = product(a, b, options);
  const kept = keptOf(a, narrows ? keptDtype(keepAs, [a, b]) : null);
  const recorded = record({
    name: "matmul",
    inputs: [a, b],
    output,
    saved: { a: b.requiresGrad ? kept : null, b: a.requiresGrad ? b : null },
    backward(dc, saved, { needs, onto }) {
      const flags = { transposeA, transposeB, roundToF16 };
      const [shapeA, shapeB] = [a.shape, b.shape];
      return [
        needs[0] ? gradientA(dc, saved.b!, { shape: shapeA, onto: onto(0), ...flags }) : null,
        needs[1] ? gradientB(dc, saved.a!, { shape: shapeB, onto: onto(1), ...flags }) : null,
      ];
    },
  });
  releaseKept(kept, a);
  return recorded;
}

interface GradientOptions {
  /** Of the operand whose gradient is wanted. */
  readonly shape: readonly number[];
  /** Where to add it, if anywhere. */
  readonly onto: Tensor | null;
  /** As the forward product had them. */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly roundToF16: boolean;
}

function gradientA(dc: Tensor, b: Tensor, options: GradientOptions): Tensor {
  const { transposeA, transposeB } = options;
  if (!transposeA) return accumulated(dc, b, { transposeB: !transposeB }, options);
  // Only a right operand may be stored in 16 bits or in q8.
  const wide = isHalf(b.dtype) || b.dtype === "q8" ? castForward(b, "f32") : b;
  return accumulated(wide, dc, { transposeA: transposeB, transposeB: true }, options);
}

function gradientB(dc: Tensor, a: Tensor, options: GradientOptions): Tensor {
  const { shape, transposeA, transposeB } = options;
  // One b for a whole batch: the sum over the batch is part of a single long product.
  const folds = shape.length === 2 && !transposeA;
  const left = folds ? flattenBatch(a) : a;
  const right = folds ? flattenBatch(dc) : dc;
  return transposeB
    ? accumulated(right, left, { transposeA: true, transposeB: transposeA }, options)
    : accumulated(left, right, { transposeA: !transposeA }, options);
}

/** The product, summed over broadcast axes; added to `onto` by the kernel where there is nothing to sum. */
function accumulated(
  a: Tensor,
  b: Tensor,
  flags: MatmulOptions,
  { shape, onto, roundToF16 }: Pick<GradientOptions, "shape" | "onto" | "roundToF16">,
): Tensor {
  const options = { ...flags, roundToF16 };
  if (onto === null || !sameShape(productShape(a, b, flags), shape)) {
    return sumToForward(product(a, b, options), shape);
  }
  matmulForwardInto(a, b, onto, { ...options, accumulate: true });
  return onto;
}

/** [..., R, C] as [rows, C]. */
function flattenBatch(x: Tensor): Tensor {
  return alias(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}
