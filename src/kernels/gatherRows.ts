// Rows by index, and copies into part of a tensor: what caches of keys and values need.

import { invariant } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const gatherRowsKernel = defineKernel({
  name: "gatherRows",
  inputs: { x: "float", rows: "i32" },
  outputs: { y: "float" },
  params: { count: "u32", width: "u32" },
  cpu({ x, rows, y }, { count, width }) {
    for (let i = 0; i < count; i++) {
      y.set(x.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
    }
  },
});

/** y[i] = x[rows[i]]: x [N, ...], rows i32 [M], each in 0..N-1 -> [M, ...]. */
export function gatherRows(x: Tensor, rows: Tensor): Tensor {
  const y = empty(x.device, [rows.size, ...x.shape.slice(1)], x.dtype);
  const width = sizeOf(x.shape.slice(1));
  launch(gatherRowsKernel, { x, rows, y }, { count: rows.size, width });
  return y;
}

export const copyIntoKernel = defineKernel({
  name: "copyInto",
  inputs: { source: "float" },
  outputs: { target: "float" },
  // source [outer, run] goes to target [outer, stride] from `offset` on
  params: { outer: "u32", run: "u32", stride: "u32", offset: "u32" },
  cpu({ source, target }, { outer, run, stride, offset }) {
    for (let i = 0; i < outer; i++) {
      target.set(source.subarray(i * run, (i + 1) * run), i * stride + offset);
    }
  },
});

/** Writes source into target in place, from position `offset` of `axis` on; other axes are equal. */
export function copyInto(
  target: Tensor,
  source: Tensor,
  { axis, offset }: { readonly axis: number; readonly offset: number },
): void {
  const fits = target.shape.every((dim, i) =>
    i === axis ? offset + source.shape[i]! <= dim : source.shape[i] === dim,
  );
  invariant(
    fits,
    () => `copyInto: ${source.shape.join()} at ${offset} into ${target.shape.join()}`,
  );
  const inner = sizeOf(target.shape.slice(axis + 1));
  launch(
    copyIntoKernel,
    { source, target },
    {
      outer: sizeOf(target.shape.slice(0, axis)),
      run: source.shape[axis]! * inner,
      stride: target.shape[axis]! * inner,
      offset: offset * inner,
    },
  );
}
