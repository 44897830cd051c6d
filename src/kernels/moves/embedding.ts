// Rows of a table by id, and their gradient.
//
//   y[n, :] = table[ids[n], :]            dtable[v, :] = sum over n with ids[n] = v of dy[n, :]
//
// Tables stored in 16 bits or in q8 are read as they are: a step of decoding needs a few rows of 32,128.

import { isHalf, type FloatArray, type HalfDtype } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import {
  checkIds,
  defineGather,
  defineScatterAdd,
  gatherWasm,
  rowOfPiece,
  tablePieces,
} from "./gatherRows.ts";
import type { WgslSingle } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { codecs, storedFloats } from "../storedFloats.ts";
import { embeddingQ8Into } from "./embeddingQ8.ts";

const params = { count: "u32", rows: "u32", cols: "u32" } as const;

/** WGSL body that widens elements of rows stored in 16 bits; the cure for an id outside is NaN, as in gathers. */
function wideningShader(dtype: HalfDtype): WgslSingle<Sizes> {
  const { snippet, unpack } = codecs[dtype];
  return {
    uses: [snippet, rowOfPiece],
    views: { y: "u32" },
    invocations: ({ count, cols }) => count * cols,
    params: { firstRow: "u32" },
    pieces: (params) => tablePieces(["x"], params),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.count * params.cols) { return; }
  let row = rowOfPiece(ids[i / params.cols]);
  if (row == 0xfffffffeu) { return; }
  if (row == 0xffffffffu) {
    y[i] = 0x7fc00000u;
    return;
  }
  let at = row * params.cols + i % params.cols;
  y[i] = bitcast<u32>(${unpack}(x[at >> 1u])[at & 1u]);
}`,
  };
}
type Sizes = { readonly [K in keyof typeof params]: number };

export const embeddingKernel = defineGather("embedding", "float");

function defineWidening(dtype: HalfDtype) {
  return defineKernel({
    name: `embedding${storedFloats[dtype].suffix}`,
    inputs: { x: dtype, ids: "i32" },
    outputs: { y: "f32" },
    params,
    wasm: gatherWasm("embedding", dtype),
    wgsl: wideningShader(dtype),
    plain({ x, ids, y }, { rows, cols }) {
      widenRows(x, codecs[dtype].widen, ids, rows, cols, y);
    },
  });
}

const wideningKernels = {
  f16: defineWidening("f16"),
  bf16: defineWidening("bf16"),
} satisfies Record<HalfDtype, unknown>;
export const { f16: embeddingF16Kernel, bf16: embeddingBf16Kernel } = wideningKernels;

function widenRows(
  x: Uint16Array,
  widen: (bits: number) => number,
  ids: Int32Array,
  rows: number,
  cols: number,
  y: FloatArray,
): void {
  checkIds("embedding", ids, rows);
  ids.forEach((id, n) => {
    for (let j = 0; j < cols; j++) y[n * cols + j] = widen(x[id * cols + j]!);
  });
}

export const embeddingBackwardKernel = defineScatterAdd("embeddingBackward");

/**
 * @param table [V, D]
 * @param ids i32 [...], each in 0..V-1; see `checkIds`
 * @returns [..., D]; f32 for a table of 16-bit floats or q8
 * @throws {ShapeError} unless table has two axes
 */
export function embeddingForward(table: Tensor, ids: Tensor): Tensor {
  const [rows, cols] = table.shape;
  if (table.rank !== 2 || rows === undefined || cols === undefined) {
    throw new ShapeError(`embedding: table must be [V, D], got ${formatShape(table.shape)}`);
  }
  const isWidened = isHalf(table.dtype) || table.dtype === "q8";
  const y = empty(table.device, [...ids.shape, cols], isWidened ? "f32" : table.dtype);
  const bound = { x: table, ids, y };
  const sizes = { count: ids.size, rows, cols };
  if (isHalf(table.dtype)) launch(wideningKernels[table.dtype], bound, sizes);
  else if (table.dtype === "q8") embeddingQ8Into(table, ids, y);
  else launch(embeddingKernel, bound, sizes);
  return y;
}

/**
 * Gradient of a table [rows, D]; ids that occur more than once add up in order.
 * @param onto [rows, D]: adds the gradient there and returns it, which touches the rows of ids alone
 */
export function embeddingBackward(
  ids: Tensor,
  dy: Tensor,
  rows: number,
  onto: Tensor | null = null,
): Tensor {
  const cols = dy.shape.at(-1)!;
  const dtable = onto ?? zeros([rows, cols], { device: dy.device, dtype: dy.dtype });
  launch(embeddingBackwardKernel, { ids, dy, dx: dtable }, { count: ids.size, rows, cols });
  return dtable;
}

export { checkIds };
