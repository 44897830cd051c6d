// The gradient of a norm's weight on the GPU: column sums of dy times what the weight was multiplied by.
//
// Few columns, many rows: chunks of rows are summed side by side, then the chunks.

import type { WgslPlanned, WgslShader } from "../../tensor/wgsl.ts";

const CHUNK = 32;
const COLUMNS = 64;

const total: WgslShader = {
  name: "total",
  workgroupSize: 64,
  reads: ["partial"],
  params: { chunks: "u32" },
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let j = globalIndex(group, local);
  if (j >= params.cols) { return; }
  var total = dweight[j];
  for (var chunk = 0u; chunk < params.chunks; chunk++) { total += partial[chunk * params.cols + j]; }
  dweight[j] = total;
}`,
};

/**
 * Adds to dweight [cols] what it is given of dy [rows, cols].
 * @param normed WGSL for the element of row i and column j that weight[j] was multiplied by
 */
export function weightGradient(
  normed: string,
): WgslPlanned<Readonly<Record<"rows" | "cols", number>>> {
  const partial: WgslShader = {
    name: "partial",
    workgroupSize: COLUMNS,
    writes: ["partial"],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let columnGroups = (params.cols + WG - 1u) / WG;
  let chunk = groupIndex(group) / columnGroups;
  let j = (groupIndex(group) % columnGroups) * WG + local;
  let begin = chunk * ${CHUNK}u;
  if (begin >= params.rows || j >= params.cols) { return; }
  let end = min(begin + ${CHUNK}u, params.rows);
  var total = 0.0;
  for (var i = begin; i < end; i++) {
    total += dy[i * params.cols + j] * ${normed};
  }
  partial[chunk * params.cols + j] = total;
}`,
  };
  return {
    plan({ params: { rows, cols } }) {
      const chunks = Math.ceil(rows / CHUNK);
      return {
        temporaries: { partial: { type: "f32", size: chunks * cols } },
        passes: [
          { shader: partial, workgroups: chunks * Math.ceil(cols / COLUMNS) },
          { shader: total, invocations: cols, params: { chunks } },
        ],
      };
    },
  };
}
