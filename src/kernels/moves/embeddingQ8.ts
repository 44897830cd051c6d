// Rows of a q8 table by id, as f32. Rows are whole blocks.

import { dequantizeQ8, q8Words } from "../../tensor/q8.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { GATHER_UNIT } from "../wasm/generated/constants.ts";
import { q8Snippet } from "../wgsl/q8.ts";
import { checkIds, rowOfPiece, tablePieces } from "./gatherRows.ts";

export const embeddingQ8Kernel = defineKernel({
  name: "embeddingQ8",
  inputs: { x: "q8", ids: "i32" },
  outputs: { y: "f32" },
  params: { count: "u32", rows: "u32", cols: "u32" },
  wasm: {
    name: "gatherRowsQ8",
    units: ({ count }) => Math.ceil(count / GATHER_UNIT),
    check: ({ ids }, { rows }) => checkIds("embedding", ids!, rows),
  },
  wgsl: {
    uses: [q8Snippet, rowOfPiece],
    views: { y: "vec4<u32>" },
    invocations: ({ count, cols }) => (count * cols) / 4,
    params: { firstRow: "u32" },
    pieces: (params) => tablePieces(["x"], params),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  let quads = params.cols / 4u;
  if (i >= params.count * quads) { return; }
  let row = rowOfPiece(ids[i / quads]);
  if (row == 0xfffffffeu) { return; }
  if (row == 0xffffffffu) {
    y[i] = vec4<u32>(0x7fc00000u);
    return;
  }
  let at = row * params.cols + i % quads * 4u;
  y[i] = bitcast<vec4<u32>>(unpackQ8(x[q8WordAt(at)], x[q8ScaleAt(at)]));
}`,
  },
  plain({ x, ids, y }, { rows, cols }) {
    checkIds("embedding", ids, rows);
    const words = q8Words(cols);
    ids.forEach((id, n) => {
      y.set(dequantizeQ8(x.subarray(id * words, (id + 1) * words)), n * cols);
    });
  },
});

/**
 * Writes rows of `table` q8 [V, D] to y f32 [..., D].
 * @param ids i32 [...], each in 0..V-1
 */
export function embeddingQ8Into(table: Tensor, ids: Tensor, y: Tensor): void {
  const [rows, cols] = table.shape as readonly [number, number];
  launch(embeddingQ8Kernel, { x: table, ids, y }, { count: ids.size, rows, cols });
}
