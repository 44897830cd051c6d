// Shape arithmetic. All tensors are contiguous and row-major. Every launch asks for sizes, so the first functions are plain loops.

import { ShapeError } from "./errors.ts";

/** Sizes of a tensor's axes, outermost first; [] for a scalar. */
export type Shape = readonly number[];

/** Number of elements of `shape`; 1 for the shape [] of a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i]!;
  return size;
}

/** `[2, 3, 4]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Throws unless every dimension is a whole number of at least 0. */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape)) {
    throw new ShapeError(`${op}: the shape must be an array as [2, 3], got ${String(shape)}`);
  }
  for (let i = 0; i < shape.length; i++) {
    if (Number.isInteger(shape[i]) && shape[i]! >= 0) continue;
    throw new ShapeError(
      `${op}: every dimension must be a whole number of at least 0, got ${formatShape(shape)}`,
    );
  }
}

/** Maps an axis of -rank..rank-1 to 0..rank-1. */
export function resolveAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(`${op}: axis must be in ${-rank}..${rank - 1}, got ${axis}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Elements from one step along each axis to the next, row-major. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** The common shape of `a` and `b` by NumPy's broadcasting rule. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const dimA = a[a.length - rank + i] ?? 1;
    const dimB = b[b.length - rank + i] ?? 1;
    if (dimA !== dimB && dimA !== 1 && dimB !== 1) {
      throw new ShapeError(
        `${op}: shapes must be equal or 1 on every axis counted from the last, got ${formatShape(a)} and ${formatShape(b)}`,
      );
    }
    result[i] = dimA === 1 ? dimB : dimA;
  }
  return result;
}

/**
 * Strides that read a tensor of shape `from` as if it had shape `to`: 0 where it is repeated.
 * `from` must broadcast to `to`.
 */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return to.map((_, i) => (i < lead || from[i - lead] === 1 ? 0 : strides[i - lead]!));
}

/** Resolves one -1 in `shape` so that it holds `size` elements. */
export function inferShape(op: string, shape: Shape, size: number): number[] {
  if (!Array.isArray(shape)) checkShape(op, shape);
  const unknown = shape.indexOf(-1);
  const known = shape.reduce((product, dim, i) => (i === unknown ? product : product * dim), 1);
  const result = [...shape];
  if (unknown >= 0) result[unknown] = known === 0 ? 0 : size / known;
  checkShape(op, result);
  if (sizeOf(result) !== size) {
    throw new ShapeError(
      `${op}: ${formatShape(shape)} must hold ${size} elements, as the input does`,
    );
  }
  return result;
}
