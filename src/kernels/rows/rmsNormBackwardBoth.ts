// Both gradients of an RMS norm in one dispatch. On a GPU neither waits for the other: some workgroups go along rows for dx,
// others down columns for the weight's gradient. Formulas are in rmsNorm.ts, which has a kernel for each gradient alone, too.

import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import type { WasmCall } from "../../tensor/wasm.ts";
import type { WgslPlanned } from "../../tensor/wgsl.ts";
import { readingFloats, suffixOfKept, withReadable } from "../pointwise/keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedAs, storedFloats, type StoredFloat } from "../storedFloats.ts";
import { addWeightGradient, rowGradients } from "./rmsNormBackward.ts";
import { laneSum, rowShader, rowShaders, withReader, type RowShaders } from "./rowSnippets.ts";

/** Invocations of a GPU's workgroup: several rows side by side, or few columns that many lanes go down. */
const GROUP = 256;
/** Columns of a GPU's workgroup: 32 bytes are what a GPU reads at once. */
const NEIGHBOURS = 8;

// Lanes of a row, and of a column, are ROWS and COLUMNS invocations apart, so that one reduction serves both. Columns come
// first: a workgroup that goes down all rows takes longest, and the others fill in around it.
const shaders = rowShaders(
  {
    constants: { ROWS: "u32", COLUMNS: "u32" }, // of a workgroup: rows, and Parts of a row
    uses: [laneSum],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = groupIndex(group);
  let columnGroups = (params.cols / PART + COLUMNS - 1u) / COLUMNS;
  if (at < columnGroups) { addColumns(at, local); } else { alongRows(at - columnGroups, local); }
}

fn addColumns(group: u32, local: u32) {
  let parts = params.cols / PART;
  let j = group * COLUMNS + local % COLUMNS;
  var products = Part(0.0);
  if (j < parts) {
    for (var i = local / COLUMNS; i < params.rows; i += WG / COLUMNS) {
      products += dy[i * parts + j] * xAt(i * parts + j) * rrms[i];
    }
  }
  let total = laneSum(local, products, COLUMNS);
  if (local < COLUMNS && j < parts) { dweight[j] += total; }
}

fn alongRows(group: u32, local: u32) {
  let row = group * ROWS + local % ROWS;
  let parts = select(0u, params.cols / PART, row < params.rows);
  let begin = row * parts;
  var products = Part(0.0);
  for (var j = local / ROWS; j < parts; j += WG / ROWS) {
    products += dy[begin + j] * weightAt(j) * xAt(begin + j);
  }
  let dot = sumOf(laneSum(local, products, ROWS));
  if (row >= params.rows) { return; }
  let r = rrms[row];
  let shrink = dot * r * r / f32(params.cols);
  for (var j = local / ROWS; j < parts; j += WG / ROWS) {
    let part = r * (dy[begin + j] * weightAt(j) - xAt(begin + j) * shrink);
    if (ACCUMULATE == 1u) { dx[begin + j] += part; } else { dx[begin + j] = part; }
  }
}`,
  },
  ["dy", "dx", "dweight"],
);

/** One pass: workgroups for columns, then those for rows. */
function inOnePass(shaders: RowShaders): WgslPlanned<{ rows: number; cols: number }> {
  return {
    plan({ params: { rows, cols }, adapter }) {
      const { shader, workgroupSize: lanes } = rowShader(shaders, cols, adapter);
      // A CPU that plays a GPU goes along a row in one vector, and down its columns alone: barriers would cost more than that.
      const workgroupSize = adapter.software ? lanes : GROUP;
      const part = shader === shaders.vector ? 4 : 1;
      const [ROWS, COLUMNS] = [workgroupSize / lanes, adapter.software ? lanes : NEIGHBOURS / part];
      const columnGroups = Math.ceil(cols / (part * COLUMNS));
      const workgroups = cols === 0 ? 0 : columnGroups + Math.ceil(rows / ROWS);
      return { passes: [{ shader, constants: { ROWS, COLUMNS }, workgroupSize, workgroups }] };
    },
  };
}

const kernels = perStoredFloat((stored) => perStoredFloat((kept) => define(stored, kept)));

function define(stored: StoredFloat, kept: StoredFloat) {
  const [weight, x] = [storedFloats[stored], storedFloats[kept]];
  const { selector } = weight;
  const alongRows = { name: "rmsNormBackward", selector, writes: ["dx"] } as const;
  const downColumns = { name: "rmsNormBackwardBothWeight", writes: ["dweight"] } as const;
  return defineKernel({
    name: `rmsNormBackwardBoth${weight.suffix}${suffixOfKept(kept)}`,
    inputs: { x: x.binding, weight: weight.binding, rrms: "float", dy: "float" },
    outputs: { dx: "float", dweight: "float" }, // dweight is added to
    params: { rows: "u32", cols: "u32" },
    constants: { ACCUMULATE: "u32" }, // of dx
    ...readingFloats(kept, {
      functions: [alongRows, downColumns],
      plan: ({ params }: WasmCall) => ({
        passes: [
          { function: alongRows, units: params["rows"]! },
          { function: downColumns, units: params["cols"]! },
        ],
      }),
    }),
    wgsl: inOnePass(withReader(withReader(shaders, "weight", stored), "x", kept)),
    plain(arrays, sizes, { ACCUMULATE }) {
      const wide = { x: x.widen(arrays.x), weight: weight.widen(arrays.weight) };
      rowGradients({ ...arrays, ...wide }, sizes, ACCUMULATE === 1);
      addWeightGradient({ ...arrays, ...wide }, sizes);
    },
  });
}

/**
 * Gradients of x [..., C] and of weight [C] from dy [..., C] and the saved rrms [rows].
 * @param x of dy's dtype, or kept in bf16 beside f32
 * @param onto of x's and of weight's shape, of dy's dtype, or null: tensors that are added to and returned. They may not be one
 *   tensor: on a GPU no dispatch writes a byte through two bindings
 */
export function rmsNormBackwardBoth(
  x: Tensor,
  weight: Tensor,
  rrms: Tensor,
  dy: Tensor,
  onto: { readonly dx: Tensor | null; readonly dweight: Tensor | null },
): { readonly dx: Tensor; readonly dweight: Tensor } {
  const cols = weight.size;
  const dx = onto.dx ?? empty(x.device, x.shape, dy.dtype);
  const dweight = onto.dweight ?? zeros([cols], { device: x.device, dtype: dy.dtype });
  withReadable(kernels[storedAs(weight)][storedAs(x)], { x }, ({ x }) =>
    launch(
      kernels[storedAs(weight)][storedAs(x)],
      { x, weight, rrms, dy, dx, dweight },
      { rows: rrms.size, cols },
      { ACCUMULATE: onto.dx ? 1 : 0 },
    ),
  );
  return { dx, dweight };
}
