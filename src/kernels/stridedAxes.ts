// Reading tensors through strides: what broadcasting and permuting have in common. Kernels walk four
// axes, so neighbouring axes that every tensor walks through in one stride are joined first.

import { ShapeError } from "../tensor/errors.ts";
import { formatShape, type Shape } from "../tensor/shape.ts";

/** Axes that a strided kernel walks through; every pair of T5's shapes fits. */
const AXES = 4;

type AxisNames<P extends string> = `${P}${0 | 1 | 2 | 3}`;

/** Declares the four params `prefix0`..`prefix3`. */
export function axisParams<P extends string>(prefix: P): Readonly<Record<AxisNames<P>, "u32">> {
  return named(prefix, ["u32", "u32", "u32", "u32"]);
}

/** Values of the params that `axisParams` declares. */
export function axisValues<P extends string>(
  prefix: P,
  values: FourAxes,
): Readonly<Record<AxisNames<P>, number>> {
  return named(prefix, values);
}

function named<P extends string, V>(
  prefix: P,
  [of0, of1, of2, of3]: readonly [V, V, V, V],
): Record<AxisNames<P>, V> {
  return {
    [`${prefix}0`]: of0,
    [`${prefix}1`]: of1,
    [`${prefix}2`]: of2,
    [`${prefix}3`]: of3,
  } as Record<AxisNames<P>, V>;
}

export type FourAxes = readonly [number, number, number, number];

export interface StridedAxes {
  /** Dimensions, padded with 1 in front. */
  readonly shape: FourAxes;
  /** Strides for each tensor, 0 on padded axes. */
  readonly strides: readonly FourAxes[];
}

/** One matrix, row or element alone: no axis to walk through, for two tensors. */
export const NO_AXES: StridedAxes = {
  shape: [1, 1, 1, 1],
  strides: [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ],
};

/**
 * Joins axes of `shape` and pads to four.
 * @param strides one list for each tensor that is read, as long as `shape`
 * @throws {ShapeError} when more than four axes are left
 */
export function collapseAxes(
  op: string,
  shape: Shape,
  strides: readonly (readonly number[])[],
): StridedAxes {
  const dims: number[] = [];
  const kept: number[][] = strides.map(() => []);
  shape.forEach((dim, axis) => {
    if (dim === 1) return;
    const last = dims.length - 1;
    const joins = last >= 0 && strides.every((s, i) => kept[i]![last] === s[axis]! * dim);
    if (joins) dims[last] = dims[last]! * dim;
    else dims.push(dim);
    strides.forEach((s, i) => (kept[i]![dims.length - 1] = s[axis]!));
  });
  if (dims.length > AXES) {
    throw new ShapeError(
      `${op}: at most ${AXES} separate axes are handled, got ${formatShape(shape)}. Reshape first.`,
    );
  }
  const pad = (list: readonly number[], value: number): FourAxes => {
    const from = (axis: number): number => list[axis - AXES + list.length] ?? value;
    return [from(0), from(1), from(2), from(3)];
  };
  return { shape: pad(dims, 1), strides: kept.map((list) => pad(list, 0)) };
}
