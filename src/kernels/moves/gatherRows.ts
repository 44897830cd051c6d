// Rows by index, and their gradient; copies into part of a tensor. Caches of keys and values stand on these.
//
//   y[m, :] = x[rows[m], :]            dx[n, :] = sum over m with rows[m] = n of dy[m, :]

import type { WasmBody } from "../../tensor/wasm.ts";
import { ArgumentError, AutogradError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, resolveAxis, sameShape, sizeOf } from "../../tensor/shape.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import type {
  AdapterFacts,
  WgslPass,
  WgslPieces,
  WgslShader,
  WgslSnippet,
} from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import {
  isPacked,
  movedName,
  movedType,
  moveShader,
  perMovedType,
  type MovedType,
} from "./moveKernel.ts";
import { copyRangeInto, withDim } from "./slice.ts";
import { storedFloats, type StoredFloat } from "../storedFloats.ts";
import { GATHER_UNIT } from "../wasm/generated/constants.ts";

/** Sizes of a gather and of its gradient. */
interface Sizes {
  /** Indices. */
  readonly count: number;
  /** Rows of the table, and their length. */
  readonly rows: number;
  readonly cols: number;
}

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

/** The SIMD body of rows by id, for an `x` stored as `type`. */
export function gatherWasm(op: string, type: StoredFloat): WasmBody {
  return {
    name: "gatherRows",
    selector: storedFloats[type].selector,
    units: ({ count }) => Math.ceil(count! / GATHER_UNIT),
    check: ({ ids }, { rows }) => checkIds(op, ids!, rows!),
  };
}

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
      pieces: (params) => tablePieces(isPacked(type) ? [] : ["x"], params),
    },
    // Halves move without being widened: the plain body is memmove.
    ...(isPacked(type) ? {} : { wasm: gatherWasm(op, "f32") }),
    plain({ x, ids, y }, { count, rows, cols }) {
      checkIds(op, ids, rows);
      for (let m = 0; m < count; m++) {
        y.set(x.subarray(ids[m]! * cols, (ids[m]! + 1) * cols), m * cols);
      }
    },
  });
}

// The gradient on the GPU, where there are no atomic floats: positions are sorted by id, so that those of one id lie side by
// side, in order; then each id's rows are added up by one invocation for each column, and no element of dx has two writers.
// A position's place among the sorted ones is the number of those before it, so each is found on its own, without barriers:
// count^2 comparisons, which are few beside count x cols numbers for the lengths of texts.

const sortPositions: WgslShader = {
  name: "sort",
  workgroupSize: 64,
  reads: ["ids"],
  writes: ["sorted", "repeats"],
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  if (at >= params.count) { return; }
  let id = ids[at];
  var smaller = 0u;
  var before = 0u;
  for (var m = 0u; m < at; m++) {
    smaller += u32(ids[m] < id);
    before += u32(ids[m] == id);
  }
  var after = 1u;
  for (var m = at + 1u; m < params.count; m++) {
    smaller += u32(ids[m] < id);
    after += u32(ids[m] == id);
  }
  let place = smaller + before;
  sorted[place] = at;
  // How often the id of the first of its positions occurs; 0 for the others.
  repeats[place] = select(after, 0u, before > 0u);
}`,
};

const addSorted: WgslShader = {
  name: "add",
  reads: ["ids", "sorted", "repeats", "dy"],
  params: { firstRow: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  let place = at / params.cols;
  let j = at % params.cols;
  if (place >= params.count || repeats[place] == 0u) { return; }
  let id = ids[sorted[place]];
  let row = u32(id) - params.firstRow;
  if (id < 0 || row >= params.rows) { return; }
  var total = dx[row * params.cols + j];
  for (var i = place; i < place + repeats[place]; i++) { total += dy[sorted[i] * params.cols + j]; }
  dx[row * params.cols + j] = total;
}`,
};

/** One pass, or as many as dx needs bindings. */
function addingPasses({ count, rows, cols }: Sizes, adapter: AdapterFacts): WgslPass[] {
  const aligned = adapter.offsetAlignment / 4;
  const fitting = Math.floor(adapter.bindingBytes / (4 * cols * aligned)) * aligned;
  const step = Math.max(fitting, aligned);
  const passes: WgslPass[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    const own = Math.min(step, rows - firstRow);
    passes.push({
      ...{ shader: addSorted, invocations: count * cols, params: { firstRow, rows: own } },
      ...(rows > step ? { ranges: { dx: { offset: firstRow * cols, size: own * cols } } } : {}),
    });
  }
  return passes;
}

/** Declares the gradient of a gather. Rows named more than once add up in the order of the ids. */
export function defineScatterAdd(name: string) {
  return defineKernel({
    name,
    inputs: { ids: "i32", dy: "float" },
    outputs: { dx: "float" }, // added to
    params: { count: "u32", rows: "u32", cols: "u32" },
    wasm: { name: "scatterAddRows", units: ({ cols }) => cols! },
    wgsl: {
      plan({ params, adapter }) {
        const { count, cols } = params;
        if (count * cols === 0) return { passes: [] };
        const size = count;
        return {
          temporaries: { sorted: { type: "u32", size }, repeats: { type: "u32", size } },
          passes: [{ shader: sortPositions, invocations: count }, ...addingPasses(params, adapter)],
        };
      },
    },
    plain({ ids, dy, dx }, { count, cols }) {
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
export function gatherRowsForward(x: Tensor, rows: Tensor): Tensor {
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
  copyRangeInto(source, { axis: at, begin: 0, length }, target, offset);
}
