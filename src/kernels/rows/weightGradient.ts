// The gradient of a norm's weight on the GPU: column sums of dy times what the weight was multiplied by.
//
// Few columns, many rows: lanes of a workgroup take rows side by side, each the same few columns, and add up their sums. One
// dispatch; a second one, of sums of chunks of rows, would cost more than what it computes.

import type { AdapterFacts, WgslPlanned, WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";

/** Columns of a workgroup, neighbours in memory, and lanes of each: 32 bytes are what a GPU reads at once. */
const ON_GPUS = { columns: 8, lanes: 32 };
/** A CPU goes down its columns alone: barriers would cost more than that. */
const ON_SOFTWARE = { columns: 64, lanes: 1 };

/**
 * Adds to dweight [cols] what it is given of dy [rows, cols].
 * @param normed WGSL for the element of row i and column j that weight[j] was multiplied by
 * @param uses what `normed` calls
 */
export function weightGradient(
  normed: string,
  uses: readonly WgslSnippet[] = [],
): WgslPlanned<Readonly<Record<"rows" | "cols", number>>> {
  const alone = shaderOf(normed, uses, "");
  const together = shaderOf(
    normed,
    uses,
    /* wgsl */ `
  columnSums[local] = total;
  workgroupBarrier();
  for (var half = WG / 2u; half >= COLUMNS; half >>= 1u) {
    if (local < half) { columnSums[local] += columnSums[local + half]; }
    workgroupBarrier();
  }
  total = columnSums[local];`,
  );
  return {
    plan({ params: { cols }, adapter }: { params: { cols: number }; adapter: AdapterFacts }) {
      const { columns, lanes } = adapter.software ? ON_SOFTWARE : ON_GPUS;
      const shader = lanes === 1 ? alone : together;
      const constants = { COLUMNS: columns };
      const workgroups = Math.ceil(cols / columns);
      return { passes: [{ shader, constants, workgroupSize: columns * lanes, workgroups }] };
    },
  };
}

/** @param add adds the `total` of a column's lanes to that of the first */
function shaderOf(normed: string, uses: readonly WgslSnippet[], add: string): WgslShader {
  return {
    name: "columns",
    uses,
    constants: { COLUMNS: "u32" },
    source: /* wgsl */ `
${add === "" ? "" : "var<workgroup> columnSums: array<f32, WG>;"}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let j = groupIndex(group) * COLUMNS + local % COLUMNS;
  var total = 0.0;
  if (j < params.cols) {
    for (var i = local / COLUMNS; i < params.rows; i += WG / COLUMNS) {
      total += dy[i * params.cols + j] * ${normed};
    }
  }${add}
  if (local < COLUMNS && j < params.cols) { dweight[j] += total; }
}`,
  };
}
