// Embedding lookup with its scatter-add gradient.

import { embeddingBackward, embeddingForward } from "../../kernels/moves/embedding.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * Rows of a table.
 * @param table [V, D]; 16-bit floats and q8 are read without converting the table
 * @param ids i32 [...], each in 0..V-1 (checked where host arrays become tensors: `checkIds`)
 * @returns [..., D]; f32 for a table of 16-bit floats or q8
 * @throws {ShapeError} unless table has two axes
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  requireTensors("embedding", { table, ids });
  const output = embeddingForward(table, ids);
  const rows = table.shape[0]!;
  return record({
    name: "embedding",
    inputs: [table],
    output,
    saved: { ids },
    backward: (dy, { ids }, { onto }) => [embeddingBackward(ids, dy, rows, onto(0))],
  });
}
