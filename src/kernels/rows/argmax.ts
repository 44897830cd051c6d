// The largest entries of each row. NaN counts as largest, as in torch; of equal entries the first.

import { ArgumentError, ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";

/** Whether a ranks before b. Not a > b: every comparison with NaN is false. */
function above(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}

/**
 * The best entry of a row that ranks behind `last`. Floats are compared as integers of the same order, so
 * that NaN, which WGSL lets a driver assume away, keeps its rank. All invocations get the result.
 */
const bestOfRow: WgslSnippet = {
  source: /* wgsl */ `
struct Entry { key: u32, at: u32 }
/** Before every entry. */
const FIRST = Entry(0xffffffffu, 0xffffffffu);
var<workgroup> entries: array<Entry, WG>;
fn sortKey(bits: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0xfffffffeu; }
  if (bits == magnitude || magnitude == 0u) { return 0x80000000u + magnitude; }
  return 0x80000000u - magnitude;
}
fn ahead(a: Entry, b: Entry) -> bool { return a.key > b.key || (a.key == b.key && a.at < b.at); }
fn bestOfRow(local: u32, begin: u32, last: Entry) -> Entry {
  var best = Entry(0u, 0xffffffffu);
  for (var j = local; j < params.cols; j += WG) {
    let entry = Entry(sortKey(x[begin + j]), j);
    if (ahead(last, entry) && ahead(entry, best)) { best = entry; }
  }
  entries[local] = best;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half >>= 1u) {
    if (local < half && ahead(entries[local + half], entries[local])) {
      entries[local] = entries[local + half];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&entries[0]);
}`,
};

export const argmaxKernel = defineKernel({
  name: "argmax",
  inputs: { x: "float" },
  outputs: { y: "i32" },
  params: { rows: "u32", cols: "u32" },
  wasm: { name: "argmax", units: ({ rows }) => rows! },
  wgsl: {
    uses: [bestOfRow],
    views: { x: "u32" },
    workgroups: ({ rows }) => rows,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let best = bestOfRow(local, row * params.cols, FIRST);
  if (local == 0u) { y[row] = i32(best.at); }
}`,
  },
  plain({ x, y }, { rows, cols }) {
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
  wasm: { name: "topk", units: ({ rows }) => rows! },
  wgsl: {
    uses: [bestOfRow],
    views: { x: "u32", values: "u32" },
    workgroups: ({ rows }) => rows,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  var last = FIRST;
  for (var i = 0u; i < params.k; i++) {
    last = bestOfRow(local, row * params.cols, last);
    if (local == 0u) {
      values[row * params.k + i] = x[row * params.cols + last.at];
      indices[row * params.k + i] = i32(last.at);
    }
  }
}`,
  },
  plain({ x, values, indices }, { rows, cols, k }) {
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
export function argmaxForward(x: Tensor): Tensor {
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
export function topkForward(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
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
