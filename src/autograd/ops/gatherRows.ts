// Rows by index with their scatter-add gradient.

import {
  gatherRowsForward as gatherForward,
  gatherRowsBackward,
} from "../../kernels/moves/gatherRows.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * y[m] = x[rows[m]]: rows chosen, reordered or repeated.
 * @param x [N, ...]
 * @param rows i32 [M], each in 0..N-1 (checked where host arrays become tensors: `checkIds`)
 * @returns [M, ...]
 * @throws {ShapeError} for an x without axes or rows of another rank
 */
export function gatherRows(x: Tensor, rows: Tensor): Tensor {
  requireTensors("gatherRows", { x, rows });
  const output = gatherForward(x, rows);
  const n = x.shape[0]!;
  return record({
    name: "gatherRows",
    inputs: [x],
    output,
    saved: { rows },
    backward: (dy, { rows }) => [gatherRowsBackward(rows, dy, n)],
  });
}
