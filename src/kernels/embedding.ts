// Rows of a table by id, and their gradient.
//
//   y[n, :] = table[ids[n], :]            dtable[v, :] = sum over n with ids[n] = v of dy[n, :]

import { ArgumentError } from "../tensor/errors.ts";
import { empty, zeros, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const embeddingForwardKernel = defineKernel({
  name: "embeddingForward",
  inputs: { table: "float", ids: "i32" },
  outputs: { y: "float" },
  params: { count: "u32", rows: "u32", cols: "u32" },
  cpu({ table, ids, y }, { count, rows, cols }) {
    for (let n = 0; n < count; n++) {
      const id = ids[n]!;
      if (id < 0 || id >= rows) throw new ArgumentError(outOfRange("embedding", n, id, rows));
      y.set(table.subarray(id * cols, (id + 1) * cols), n * cols);
    }
  },
});

export const embeddingBackwardKernel = defineKernel({
  name: "embeddingBackward",
  inputs: { ids: "i32", dy: "float" },
  outputs: { dtable: "float" }, // zeroed before
  params: { count: "u32", cols: "u32" },
  cpu({ ids, dy, dtable }, { count, cols }) {
    for (let n = 0; n < count; n++) {
      const row = ids[n]! * cols;
      for (let j = 0; j < cols; j++) dtable[row + j] = dtable[row + j]! + dy[n * cols + j]!;
    }
  },
});

/** @param table [V, D] @param ids i32 [...], each in 0..V-1 @returns [..., D] */
export function embeddingForward(table: Tensor, ids: Tensor): Tensor {
  const [rows, cols] = table.shape as [number, number];
  const y = empty(table.device, [...ids.shape, cols], table.dtype);
  launch(embeddingForwardKernel, { table, ids, y }, { count: ids.size, rows, cols });
  return y;
}

/** Gradient of the table [V, D]; ids that occur more than once add up in order. */
export function embeddingBackward(ids: Tensor, dy: Tensor, rows: number): Tensor {
  const cols = dy.shape.at(-1)!;
  const dtable = zeros([rows, cols], { device: dy.device, dtype: dy.dtype });
  launch(embeddingBackwardKernel, { ids, dy, dtable }, { count: ids.size, cols });
  return dtable;
}

/** @throws {ArgumentError} naming the first id outside 0..vocabSize-1 and its position */
export function checkIds(op: string, ids: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new ArgumentError(outOfRange(op, i, id, vocabSize));
    }
  }
}

function outOfRange(op: string, position: number, id: number, rows: number): string {
  return `${op}: ids must be in 0..${rows - 1}, got ${id} at ${position}. Do tokenizer and model belong together?`;
}
