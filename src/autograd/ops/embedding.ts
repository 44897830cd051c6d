// Embedding lookup with its scatter-add gradient.

import { embeddingBackward, embeddingForward } from "../../kernels/embedding.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * Rows of a table.
 * @param table [V, D]
 * @param ids i32 [...], each in 0..V-1 (checked where host arrays become tensors: `checkIds`)
 * @returns [..., D]
 * @throws {ShapeError} unless table has two axes
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  if (table.rank !== 2) {
    throw new ShapeError(`embedding: table must be [V, D], got ${formatShape(table.shape)}`);
  }
  const rows = table.shape[0]!;
  return record({
    name: "embedding",
    inputs: [table],
    output: embeddingForward(table, ids),
    saved: { ids },
    backward: (dy, { ids }) => [embeddingBackward(ids, dy, rows)],
  });
}
