// Rows by index, and their gradient; copies into part of a tensor. Caches of keys and values stand on these.
//
//   y[m, :] = x[rows[m], :]            dx[n, :] = sum over m with rows[m] = n of dy[m, :]

import { ArgumentError, AutogradError, ShapeError } from "../tensor/errors.ts";
import { formatShape, resolveAxis, sameShape, sizeOf } from "../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../tensor/tensor.ts";
import type { WgslPieces, WgslSnippet } from "../tensor/wgsl.ts";
import { defineKernel, launch } from "./kernel.ts";
import { movedName, movedType, moveShader, perMovedType, type MovedType } from "./moves.ts";
import { copyRange, withDim } from "./slice.ts";
import { workgroupMax } from "./wgsl/reduce.ts";

/**
 * Throws for an index that names no row. Indices on a device are not read back, so check them on the
 * host, where they are made: the GPU gives such rows NaN (0 in integers).
 * @param op begins the message
 * @throws {ArgumentError} naming the first wrong id and its position
 */
export function checkIds(op: string, ids: ArrayLike<number>, rows: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (Number.isInteger(id) && id >= 0 && id < rows) continue;
    throw new ArgumentError(`${op}: ids must be in 0..${rows - 1}, got ${id} at ${i}`);
  }
}

/**
 * How a gather or scatter falls into pieces where its table is larger than a binding: rows `firstRow` and after, `rows` of
 * them.
 * @param tables bindings of `cols` elements a row; none where pairs of 16-bit elements would have parts in two pieces
 */
export function tablePieces(
  tables: readonly string[],
  { cols }: { readonly cols: number },
): WgslPieces {
  return {
    param: "rows",
    elements: Object.fromEntries(tables.map((table) => [table, cols])),
    params: (firstRow) => ({ firstRow }),
  };
}

/**
 * WGSL: the row of an id in the piece that is bound. An id outside the table is MISSING in the first piece, an id of another
 * piece ELSEWHERE in all but the first, which writes everything.
 */
export const rowOfPiece: WgslSnippet = {
  source: /* wgsl */ `
fn rowOfPiece(id: i32) -> u32 {
  let row = u32(id) - params.firstRow;
  if (id >= 0 && row < params.rows) { return row; }
  return select(0xffffffffu, 0xfffffffeu, params.firstRow > 0u);
}`,
};

/** Declares the copy of rows for one element type; `embedding` is the same for a table. */
export function defineGather(op: string, type: MovedType) {
  return defineKernel({
    name: movedName(op, type),
    inputs: { x: type, ids: "i32" },
    outputs: { y: type },
    params: { count: "u32", rows: "u32", cols: "u32" },
    wgsl: {
      ...moveShader<{ count: number; cols: number }>(type, {
        size: ({ count, cols }) => count * cols,
        wgslSize: "params.count * params.cols",
        source: /* wgsl */ `
fn sourceOf(i: u32) -> u32 {
  let row = rowOfPiece(ids[i / params.cols]);
  if (row >= ELSEWHERE) { return row; }
  return row * params.cols + i % params.cols;
}`,
      }),
      uses: [rowOfPiece],
      params: { firstRow: "u32" },
      pieces: (params) => tablePieces(type === "f16" || type === "bf16" ? [] : ["x"], params),
    },
    cpu({ x, ids, y }, { count, rows, cols }) {
      checkIds(op, ids, rows);
      for (let m = 0; m < count; m++) {
        y.set(x.subarray(ids[m]! * cols, (ids[m]! + 1) * cols), m * cols);
      }
    },
  });
}

/** Declares the gradient of a gather. Rows named more than once add up in the order of the ids. */
export function defineScatterAdd(name: string) {
  return defineKernel({
    name,
    inputs: { ids: "i32", dy: "float" },
    outputs: { dx: "float" }, // zeroed before
    params: { count: "u32", rows: "u32", cols: "u32" },
    wasm: { name: "scatterAddRows", range: ({ cols }) => cols! },
    // There are no atomic floats. A workgroup takes the first position of each id, looks for the others and
    // adds their rows up in order, so that no row of dx has two writers.
    wgsl: {
      uses: [workgroupMax],
      workgroups: ({ count }) => count,
      params: { firstRow: "u32" },
      pieces: (params) => tablePieces(["dx"], params),
      source: /* wgsl */ `
/** Whether the position that each invocation looks at has this workgroup's id. */
var<workgroup> matches: array<u32, WG>;
var<workgroup> matchCount: atomic<u32>;
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let first = groupIndex(group);
  if (first >= params.count) { return; }
  let id = ids[first];
  var seenBefore = 0.0;
  for (var m = local; m < first; m += WG) { if (ids[m] == id) { seenBefore = 1.0; } }
  if (workgroupMax(local, seenBefore) > 0.0) { return; }
  let row = u32(id) - params.firstRow;
  let isRow = id >= 0 && row < params.rows;
  for (var base = first; base < params.count; base += WG) {
    if (local == 0u) { atomicStore(&matchCount, 0u); }
    workgroupBarrier();
    let m = base + local;
    var isMatch = 0u;
    if (m < params.count && isRow) { isMatch = select(0u, 1u, ids[m] == id); }
    matches[local] = isMatch;
    if (isMatch == 1u) { atomicAdd(&matchCount, 1u); }
    workgroupBarrier();
    var left = atomicLoad(&matchCount);
    for (var i = 0u; left > 0u; i++) {
      if (matches[i] == 0u) { continue; }
      left--;
      for (var j = local; j < params.cols; j += WG) {
        dx[row * params.cols + j] += dy[(base + i) * params.cols + j];
      }
    }
    workgroupBarrier();
  }
}`,
    },
    cpu({ ids, dy, dx }, { count, cols }) {
      for (let m = 0; m < count; m++) {
        const row = ids[m]! * cols;
        for (let j = 0; j < cols; j++) dx[row + j] = dx[row + j]! + dy[m * cols + j]!;
      }
    },
  });
}

const gatherKernels = perMovedType((type) => defineGather("gatherRows", type));
const scatterAddKernel = defineScatterAdd("gatherRowsBackward");

/**
 * y[m] = x[rows[m]].
 * @param x [N, ...], of any dtype
 * @param rows i32 [M], each in 0..N-1; see `checkIds`
 * @returns [M, ...]
 * @throws {ShapeError} for an x without axes or rows of another rank
 */
export function gatherRows(x: Tensor, rows: Tensor): Tensor {
  if (x.rank === 0 || rows.rank !== 1) {
    throw new ShapeError(
      `gatherRows: must be x [N, ...] and rows [M], got ${formatShape(x.shape)} and ${formatShape(rows.shape)}`,
    );
  }
  const y = empty(x.device, withDim(x.shape, 0, rows.size), x.dtype);
  const params = { count: rows.size, rows: x.shape[0]!, cols: sizeOf(x.shape.slice(1)) };
  launch(gatherKernels[movedType(x.dtype)], { x, ids: rows, y }, params);
  return y;
}

/** Gradient of x [n, ...] from that of its gathered rows [M, ...]. */
export function gatherRowsBackward(rows: Tensor, dy: Tensor, n: number): Tensor {
  const dx = zeros(withDim(dy.shape, 0, n), { device: dy.device, dtype: dy.dtype });
  const params = { count: rows.size, rows: n, cols: sizeOf(dy.shape.slice(1)) };
  launch(scatterAddKernel, { ids: rows, dy, dx }, params);
  return dx;
}

/**
 * Writes source over a part of target, in place: positions `offset`.. of `axis`. For caches, which have no
 * gradient: `backward` of what read the old elements would see the new ones.
 * @param target [..., capacity, ...]
 * @param source of target's shape except on `axis`, of its dtype
 * @throws {ShapeError} when source does not fit
 * @throws {AutogradError} for a target that requires a gradient
 */
export function copyInto(
  target: Tensor,
  source: Tensor,
  { axis, offset }: { readonly axis: number; readonly offset: number },
): void {
  const at = resolveAxis("copyInto", axis, target.rank);
  const length = source.shape[at] ?? 0;
  const fits =
    source.rank === target.rank &&
    sameShape(withDim(source.shape, at, target.shape[at]!), target.shape) &&
    Number.isInteger(offset) &&
    offset >= 0 &&
    offset + length <= target.shape[at]!;
  if (!fits) {
    throw new ShapeError(
      `copyInto: source must fit into target ${formatShape(target.shape)} at ${offset} of axis ${axis}, got ${formatShape(source.shape)}`,
    );
  }
  if (target.requiresGrad) {
    throw new AutogradError(
      "copyInto: target must not require a gradient, for its elements are overwritten. Use concat().",
    );
  }
  copyRange(source, { axis: at, begin: 0, length }, target, offset);
}
