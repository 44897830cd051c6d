// Sums over axes.
//
//   y[o, i] = sum_r x[o, r, i]        x seen as [outer, reduced, inner]

import { ShapeError } from "../tensor/errors.ts";
import { formatShape, resolveAxis, sizeOf } from "../tensor/shape.ts";
import { alias, empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const sumKernel = defineKernel({
  name: "sum",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params: { outer: "u32", reduced: "u32", inner: "u32" },
  cpu({ x, y }, { outer, reduced, inner }) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let total = 0;
        for (let r = 0; r < reduced; r++) total += x[(o * reduced + r) * inner + i]!;
        y[o * inner + i] = total;
      }
    }
  },
});

/**
 * Sum over `axes` (all when left out).
 * @param keepDims leaves summed axes in the shape as 1
 * @param op name in messages
 * @throws {ShapeError} for an axis outside -rank..rank-1 or named twice
 */
export function sumAxes(x: Tensor, axes?: readonly number[], keepDims = false, op = "sum"): Tensor {
  const resolved = (axes ?? x.shape.map((_, i) => i)).map((a) => resolveAxis(op, a, x.rank));
  if (new Set(resolved).size !== resolved.length) {
    throw new ShapeError(`${op}: every axis may be named once, got ${formatShape(axes ?? [])}`);
  }
  const isSummed = x.shape.map((_, i) => resolved.includes(i));
  const kept = x.shape.map((dim, i) => (isSummed[i] ? 1 : dim));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !isSummed[i]);
  let current = alias(x);
  // Neighbouring axes are summed in one pass, from the last group to the first.
  for (let end = x.rank; end > 0;) {
    let begin = end - 1;
    while (begin > 0 && isSummed[begin - 1] === isSummed[end - 1]) begin--;
    if (isSummed[end - 1]) {
      const outer = sizeOf(x.shape.slice(0, begin));
      const reduced = sizeOf(x.shape.slice(begin, end));
      const next = sumMiddle(current, outer, reduced, sizeOf(kept.slice(end)));
      current.dispose();
      current = next;
    }
    end = begin;
  }
  const result = alias(current, shape);
  current.dispose();
  return result;
}

function sumMiddle(x: Tensor, outer: number, reduced: number, inner: number): Tensor {
  const y = empty(x.device, [outer, inner], x.dtype);
  launch(sumKernel, { x, y }, { outer, reduced, inner });
  return y;
}

/** Sums `x` down to `shape`, which broadcasts to x.shape: the reverse of broadcasting. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((dim, i) =>
    i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : [],
  );
  const summed = axes.length === 0 ? alias(x) : sumAxes(x, axes, true);
  const result = alias(summed, shape);
  summed.dispose();
  return result;
}
