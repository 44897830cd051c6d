import { indicesOf, placeOf } from "./indices.ts";
import type { Values } from "./pointwise.ts";

/** Sum or mean over `axes` (each 0..rank-1), which stay in the shape as 1 or are dropped. */
export function reduce(
  name: "sum" | "mean",
  x: Values,
  axes: readonly number[],
  keepDims: boolean,
): Values {
  const kept = x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const totals = new Float64Array(kept.reduce((size, dim) => size * dim, 1));
  const count = name === "sum" ? 1 : axes.reduce((size, axis) => size * x.shape[axis]!, 1);
  for (const index of indicesOf(x.shape)) {
    totals[placeOf(index, kept)]! += x.values[placeOf(index, x.shape)]! / count;
  }
  return { shape: keepDims ? kept : kept.filter((_, i) => !axes.includes(i)), values: totals };
}
