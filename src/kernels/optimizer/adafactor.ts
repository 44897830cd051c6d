// One Adafactor update of one parameter, in place (Shazeer & Stern 2018, arXiv 1804.04235, algorithms 4 and 5; transformers'
// optimization.py). A parameter is [B, R, C] here: B matrices of R rows and C columns. With g = scale gradient:
//
//   row = beta row + (1 - beta) (mean_c g^2 + eps)         [B, R]
//   col = beta col + (1 - beta) (mean_r g^2 + eps)         [B, C]
//   u   = g / sqrt(row / mean_r row) / sqrt(col)           over the whole parameter
//   u   = u rate / max(1, rms(u) / clip)                   rate is multiplied by max(leastScale, rms(p)) where asked
//   m   = beta1 m + (1 - beta1) u,  u = m                  where there is m
//   p   = p - weightDecay rate p - u
//
// A vector has no columns to share: it is [1, n, 1] without col, row its second moment, u = g / sqrt(row). All but p is kept in
// f32; a p of 16 bits is rounded once, when it is stored.

import { isFloat, isHalf } from "../../tensor/dtype.ts";
import { DtypeError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { adafactorStepInPlace, type AdafactorStep } from "./adafactorApply.ts";
import { adafactorMomentsInPlace, type Matrices } from "./adafactorMoments.ts";

export interface AdafactorTensors {
  /** f32, f64, bf16 or f16. */
  readonly p: Tensor;
  /** Of p's shape; f32 when p is stored in 16 bits, else of p's dtype, which is that of all below. */
  readonly gradient: Tensor;
  /** [1], multiplied into the gradient; null for 1. */
  readonly scale: Tensor | null;
  /** Second moment: [..., R] of p [..., R, C]; of a vector its shape. */
  readonly row: Tensor;
  /** [..., C]; null of a vector. */
  readonly col: Tensor | null;
  /** First moment of p's shape, or null for none. */
  readonly m: Tensor | null;
}

export interface AdafactorSettings extends AdafactorStep {
  /** Decay of the second moment at this update, in [0, 1). */
  readonly beta2: number;
  /** Added to the squares of the gradient. */
  readonly eps: number;
}

/** Matrices, rows of each and columns of a shape; a vector or scalar is one column. */
function matrixOf(shape: readonly number[]): Matrices {
  const product = (sizes: readonly number[]): number => sizes.reduce((all, n) => all * n, 1);
  if (shape.length < 2) return { batch: 1, rows: product(shape), cols: 1 };
  return { batch: product(shape.slice(0, -2)), rows: shape.at(-2)!, cols: shape.at(-1)! };
}

/**
 * Updates p, row, col and m in place.
 * @throws {ShapeError} unless gradient and the moments have the shapes that {@link AdafactorTensors} says
 * @throws {DtypeError} for a dtype that is not as it says
 */
export function adafactorInPlace(tensors: AdafactorTensors, settings: AdafactorSettings): void {
  const { p, gradient, scale, row, col, m } = tensors;
  checkShapes(tensors);
  if (!isHalf(p.dtype) && !isFloat(p.dtype)) {
    throw new DtypeError(`adafactor: parameters must be floating-point, got ${p.dtype}`);
  }
  const matrices = matrixOf(p.shape);
  const factors = adafactorMomentsInPlace({ gradient, scale, row, col }, matrices, settings);
  adafactorStepInPlace({ ...factors, gradient, scale, p, m }, matrices, settings);
  factors.rowFactor.dispose();
  factors.colFactor?.dispose();
}

function checkShapes({ p, gradient, row, col, m }: AdafactorTensors): void {
  const isFactored = p.shape.length >= 2;
  const expected = {
    gradient: p.shape,
    row: isFactored ? p.shape.slice(0, -1) : p.shape,
    col: isFactored ? [...p.shape.slice(0, -2), p.shape.at(-1)!] : null,
    m: p.shape,
  };
  for (const [name, x] of Object.entries({ gradient, row, col, m })) {
    const shape = expected[name as keyof typeof expected];
    if (name === "m" && x === null) continue;
    if (x === null ? shape === null : shape !== null && sameShape(x.shape, shape)) continue;
    throw new ShapeError(
      `adafactor: ${name} must be ${shape === null ? "null" : formatShape(shape)} for a parameter ${formatShape(p.shape)}, ` +
        `got ${x === null ? "null" : formatShape(x.shape)}`,
    );
  }
}
