// Sums over axes.
//
//   y[o, i] = sum_r x[o, r, i]        x seen as [outer, reduced, inner]

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, resolveAxis, sizeOf } from "../../tensor/shape.ts";
import { alias, empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslPass, WgslShader } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { workgroupSum } from "../wgsl/reduce.ts";

/** Elements that one invocation (of columns) or one workgroup (of rows) adds up. */
const CHUNK = 512;

/** Sums of chunks of r: one invocation for each chunk and each of the inner sums. */
const sumColumns = (from: string, to: string): WgslShader => ({
  name: to === "y" ? "columns" : "columnChunks",
  reads: [from],
  writes: [to],
  params: { length: "u32", chunks: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  if (at >= params.outer * params.chunks * params.inner) { return; }
  let i = at % params.inner;
  let chunk = at / params.inner % params.chunks;
  let o = at / (params.inner * params.chunks);
  let size = (params.length + params.chunks - 1u) / params.chunks;
  var total = 0.0;
  for (var r = chunk * size; r < min((chunk + 1u) * size, params.length); r++) {
    total += ${from}[(o * params.length + r) * params.inner + i];
  }
  ${to}[at] = total;
}`,
});

/** The same where inner is 1: a workgroup for each chunk, so that neighbours read neighbours. */
const sumRows = (from: string, to: string): WgslShader => ({
  ...sumColumns(from, to),
  name: to === "y" ? "rows" : "rowChunks",
  uses: [workgroupSum],
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = groupIndex(group);
  if (at >= params.outer * params.chunks) { return; }
  let chunk = at % params.chunks;
  let size = (params.length + params.chunks - 1u) / params.chunks;
  let begin = (at / params.chunks) * params.length;
  var part = 0.0;
  for (var r = chunk * size + local; r < min((chunk + 1u) * size, params.length); r += WG) {
    part += ${from}[begin + r];
  }
  let total = workgroupSum(local, part);
  if (local == 0u) { ${to}[at] = total; }
}`,
});

const shaders = {
  rows: {
    whole: sumRows("x", "y"),
    chunks: sumRows("x", "partial"),
    total: sumRows("partial", "y"),
  },
  columns: {
    whole: sumColumns("x", "y"),
    chunks: sumColumns("x", "partial"),
    total: sumColumns("partial", "y"),
  },
};

export const sumKernel = defineKernel({
  name: "sum",
  inputs: { x: "float" },
  outputs: { y: "float" },
  params: { outer: "u32", reduced: "u32", inner: "u32" },
  wgsl: {
    plan({ params: { outer, reduced, inner } }) {
      const { whole, chunks: partial, total } = inner === 1 ? shaders.rows : shaders.columns;
      const pass = (shader: WgslShader, length: number, chunks: number): WgslPass => ({
        shader,
        params: { length, chunks },
        ...(inner === 1 ? { workgroups: outer * chunks } : { invocations: outer * chunks * inner }),
      });
      if (reduced <= 2 * CHUNK) return { passes: [pass(whole, reduced, 1)] };
      // As many chunks as each then has elements: two short passes rather than one long one.
      const chunks = Math.ceil(Math.sqrt(reduced));
      return {
        temporaries: { partial: { type: "f32", size: outer * chunks * inner } },
        passes: [pass(partial, reduced, chunks), pass(total, chunks, 1)],
      };
    },
  },
  plain({ x, y }, { outer, reduced, inner }) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let total = 0;
        for (let r = 0; r < reduced; r++) total += x[(o * reduced + r) * inner + i]!;
        y[o * inner + i] = total;
      }
    }
  },
});

/**
 * Sum over `axes` (all when left out).
 * @param keepDims leaves summed axes in the shape as 1
 * @param op name in messages
 * @throws {ShapeError} for an axis outside -rank..rank-1 or named twice
 */
export function sumAxesForward(
  x: Tensor,
  axes?: readonly number[],
  keepDims = false,
  op = "sum",
): Tensor {
  const resolved = (axes ?? x.shape.map((_, i) => i)).map((a) => resolveAxis(op, a, x.rank));
  if (new Set(resolved).size !== resolved.length) {
    throw new ShapeError(`${op}: every axis may be named once, got ${formatShape(axes ?? [])}`);
  }
  const isSummed = x.shape.map((_, i) => resolved.includes(i));
  const kept = x.shape.map((dim, i) => (isSummed[i] ? 1 : dim));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !isSummed[i]);
  let current = alias(x);
  // Neighbouring axes are summed in one pass, from the last group to the first.
  for (let end = x.rank; end > 0;) {
    let begin = end - 1;
    while (begin > 0 && isSummed[begin - 1] === isSummed[end - 1]) begin--;
    if (isSummed[end - 1]) {
      const outer = sizeOf(x.shape.slice(0, begin));
      const reduced = sizeOf(x.shape.slice(begin, end));
      const next = sumMiddle(current, outer, reduced, sizeOf(kept.slice(end)));
      current.dispose();
      current = next;
    }
    end = begin;
  }
  const result = alias(current, shape);
  current.dispose();
  return result;
}

function sumMiddle(x: Tensor, outer: number, reduced: number, inner: number): Tensor {
  const y = empty(x.device, [outer, inner], x.dtype);
  launch(sumKernel, { x, y }, { outer, reduced, inner });
  return y;
}

/** Sums `x` down to `shape`, which broadcasts to x.shape: the reverse of broadcasting. */
export function sumToForward(x: Tensor, shape: readonly number[]): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((dim, i) =>
    i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : [],
  );
  const summed = axes.length === 0 ? alias(x) : sumAxesForward(x, axes, true);
  const result = alias(summed, shape);
  summed.dispose();
  return result;
}
