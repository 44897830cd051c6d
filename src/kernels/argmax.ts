// The largest entries of each row. NaN counts as largest, as in torch; of equal entries the first.

import { ArgumentError, ShapeError } from "../tensor/errors.ts";
import { formatShape } from "../tensor/shape.ts";
import { empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

/** Whether a ranks before b. Not a > b: every comparison with NaN is false. */
function above(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}

export const argmaxKernel = defineKernel({
  name: "argmax",
  inputs: { x: "float" },
  outputs: { y: "i32" },
  params: { rows: "u32", cols: "u32" },
  cpu({ x, y }, { rows, cols }) {
    for (let i = 0; i < rows; i++) {
      let best = 0;
      for (let j = 1; j < cols; j++) if (above(x[i * cols + j]!, x[i * cols + best]!)) best = j;
      y[i] = best;
    }
  },
});

export const topkKernel = defineKernel({
  name: "topk",
  inputs: { x: "float" },
  outputs: { values: "float", indices: "i32" },
  params: { rows: "u32", cols: "u32", k: "u32" },
  cpu({ x, values, indices }, { rows, cols, k }) {
    for (let i = 0; i < rows; i++) {
      const out = i * k;
      // The best so far stay sorted; most entries do not get past the last of them.
      for (let j = 0; j < cols; j++) {
        const value = x[i * cols + j]!;
        const found = Math.min(j, k);
        if (found === k && !above(value, values[out + k - 1]!)) continue;
        let at = Math.min(found, k - 1);
        for (; at > 0 && above(value, values[out + at - 1]!); at--) {
          values[out + at] = values[out + at - 1]!;
          indices[out + at] = indices[out + at - 1]!;
        }
        values[out + at] = value;
        indices[out + at] = j;
      }
    }
  },
});

/**
 * Index of the largest entry of the last axis.
 * @param x [..., N], N >= 1
 * @returns i32 [...]
 * @throws {ShapeError} without entries to choose from
 */
export function argmax(x: Tensor): Tensor {
  const cols = columns("argmax", x);
  const y = empty(x.device, x.shape.slice(0, -1), "i32");
  launch(argmaxKernel, { x, y }, { rows: y.size, cols });
  return y;
}

/**
 * The k largest entries of the last axis, largest first. Meant for k far below N.
 * @param x [..., N]
 * @param k 1..N
 * @returns values [..., k] and their indices, i32 [..., k]
 * @throws {ShapeError} without entries to choose from
 * @throws {ArgumentError} for k outside 1..N
 */
export function topk(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const cols = columns("topk", x);
  if (!Number.isInteger(k) || k < 1 || k > cols) {
    throw new ArgumentError(`topk: k must be in 1..${cols}, got ${k}`);
  }
  const shape = [...x.shape.slice(0, -1), k];
  const values = empty(x.device, shape, x.dtype);
  const indices = empty(x.device, shape, "i32");
  launch(topkKernel, { x, values, indices }, { rows: x.size / cols, cols, k });
  return { values, indices };
}

function columns(op: string, x: Tensor): number {
  const cols = x.shape.at(-1);
  if (cols !== undefined && cols > 0) return cols;
  throw new ShapeError(
    `${op}: the last axis must have at least 1 entry, got ${formatShape(x.shape)}`,
  );
}
