// The second moments of Adafactor, row and col, and the factors that they give u (formulas in adafactor.ts).

import { empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { workgroupSum } from "../wgsl/reduce.ts";

/** Rows whose squares are summed into one number a column, so that f32 adds up few and threads have shares. */
const CHUNK = 64;

/** A parameter as it is taken: `batch` matrices. */
export interface Matrices {
  readonly batch: number;
  readonly rows: number;
  readonly cols: number;
}

export const adafactorRowsKernel = defineKernel({
  name: "adafactorRows",
  inputs: { gradient: "float", scale: "float?" },
  outputs: { row: "float" },
  params: { rows: "u32", cols: "u32", beta: "f32", rest: "f32", eps: "f32" },
  varying: ["beta", "rest"],
  wasm: { name: "adafactorRows", units: ({ rows }) => rows! },
  wgsl: {
    uses: [workgroupSum],
    workgroupSize: 64,
    workgroups: ({ rows }) => rows,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let r = groupIndex(group);
  if (r >= params.rows) { return; }
  var factor = 1.0;
  if (HAS_SCALE) { factor = scale[0]; }
  var part = 0.0;
  for (var c = local; c < params.cols; c += WG) {
    let g = factor * gradient[r * params.cols + c];
    part += g * g;
  }
  let total = workgroupSum(local, part);
  if (local == 0u) {
    row[r] = params.beta * row[r] + params.rest * (total / f32(params.cols) + params.eps);
  }
}`,
  },
  plain({ gradient, scale, row }, { rows, cols, beta, rest, eps }) {
    const factor = scale?.[0] ?? 1;
    for (let r = 0; r < rows; r++) {
      let total = 0;
      for (let i = r * cols; i < (r + 1) * cols; i++) total += (factor * gradient[i]!) ** 2;
      row[r] = beta * row[r]! + rest * (total / cols + eps);
    }
  },
});

export const adafactorColumnSumsKernel = defineKernel({
  name: "adafactorColumnSums",
  inputs: { gradient: "float", scale: "float?" },
  outputs: { sums: "float" },
  // sums [batch, chunks, cols]: a row of it for each chunk of rows
  params: { batch: "u32", rows: "u32", cols: "u32", chunks: "u32", chunk: "u32" },
  wasm: {
    name: "adafactorColumnSums",
    units: ({ batch, chunks }) => batch! * chunks!,
  },
  wgsl: {
    invocations: ({ batch, chunks, cols }) => batch * chunks * cols,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.batch * params.chunks * params.cols) { return; }
  var factor = 1.0;
  if (HAS_SCALE) { factor = scale[0]; }
  let c = i % params.cols;
  let b = i / params.cols / params.chunks;
  let first = i / params.cols % params.chunks * params.chunk;
  var total = 0.0;
  for (var r = first; r < min(first + params.chunk, params.rows); r++) {
    let g = factor * gradient[(b * params.rows + r) * params.cols + c];
    total += g * g;
  }
  sums[i] = total;
}`,
  },
  plain({ gradient, scale, sums }, { batch, rows, cols, chunks, chunk }) {
    const factor = scale?.[0] ?? 1;
    for (let unit = 0; unit < batch * chunks; unit++) {
      const b = Math.floor(unit / chunks);
      const first = (unit % chunks) * chunk;
      for (let c = 0; c < cols; c++) {
        let total = 0;
        for (let r = first; r < Math.min(first + chunk, rows); r++) {
          total += (factor * gradient[(b * rows + r) * cols + c]!) ** 2;
        }
        sums[unit * cols + c] = total;
      }
    }
  },
});

export const adafactorColumnsKernel = defineKernel({
  name: "adafactorColumns",
  inputs: { sums: "float" },
  outputs: { col: "float", colFactor: "float" },
  params: {
    ...({ batch: "u32", rows: "u32", cols: "u32", chunks: "u32" } as const),
    ...({ beta: "f32", rest: "f32", eps: "f32" } as const),
  },
  varying: ["beta", "rest"],
  wgsl: {
    invocations: ({ batch, cols }) => batch * cols,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.batch * params.cols) { return; }
  let c = i % params.cols;
  let b = i / params.cols;
  var total = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    total += sums[(b * params.chunks + k) * params.cols + c];
  }
  let next = params.beta * col[i] + params.rest * (total / f32(params.rows) + params.eps);
  col[i] = next;
  colFactor[i] = inverseSqrt(next);
}`,
  },
  plain({ sums, col, colFactor }, { batch, rows, cols, chunks, beta, rest, eps }) {
    for (let i = 0; i < batch * cols; i++) {
      const b = Math.floor(i / cols);
      let total = 0;
      for (let k = 0; k < chunks; k++) total += sums[(b * chunks + k) * cols + (i % cols)]!;
      col[i] = beta * col[i]! + rest * (total / rows + eps);
      colFactor[i] = 1 / Math.sqrt(col[i]!);
    }
  },
});

export const adafactorRowFactorsKernel = defineKernel({
  name: "adafactorRowFactors",
  inputs: { row: "float" },
  outputs: { rowFactor: "float" },
  /** factored: 1 for matrices, whose rows are taken as shares of their mean; 0 for vectors. */
  params: { batch: "u32", rows: "u32", factored: "u32" },
  wgsl: {
    uses: [workgroupSum],
    workgroups: ({ batch }) => batch,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let b = groupIndex(group);
  if (b >= params.batch) { return; }
  let begin = b * params.rows;
  let end = begin + params.rows;
  var part = 0.0;
  for (var i = begin + local; i < end; i += WG) { part += row[i]; }
  let mean = select(1.0, workgroupSum(local, part) / f32(params.rows), params.factored == 1u);
  for (var i = begin + local; i < end; i += WG) { rowFactor[i] = inverseSqrt(row[i] / mean); }
}`,
  },
  plain({ row, rowFactor }, { batch, rows, factored }) {
    for (let b = 0; b < batch; b++) {
      let total = 0;
      for (let i = b * rows; i < (b + 1) * rows; i++) total += row[i]!;
      const mean = factored === 1 ? total / rows : 1;
      for (let i = b * rows; i < (b + 1) * rows; i++) rowFactor[i] = 1 / Math.sqrt(row[i]! / mean);
    }
  },
});

/** What a gradient is multiplied by. */
export interface AdafactorFactors {
  /** [batch rows] */
  readonly rowFactor: Tensor;
  /** [batch cols]; null where there is no col. */
  readonly colFactor: Tensor | null;
}

/**
 * Takes a gradient into row and col, in place.
 * @param tensors gradient [batch, rows, cols], scale [1] or null, row [batch, rows], col [batch, cols] or null
 * @returns factors whose product with the scaled gradient is u; the caller disposes them
 */
export function adafactorMomentsInPlace(
  tensors: Readonly<Record<"gradient" | "row", Tensor> & Record<"scale" | "col", Tensor | null>>,
  { batch, rows, cols }: Matrices,
  { beta2: beta, eps }: { readonly beta2: number; readonly eps: number },
): AdafactorFactors {
  const { gradient, scale, row, col } = tensors;
  const { device, dtype } = gradient;
  const moments = { beta, rest: 1 - beta, eps };
  launch(adafactorRowsKernel, { gradient, scale, row }, { rows: batch * rows, cols, ...moments });
  const rowFactor = empty(device, [batch * rows], dtype);
  const factored = col === null ? 0 : 1;
  launch(adafactorRowFactorsKernel, { row, rowFactor }, { batch, rows, factored });
  if (col === null) return { rowFactor, colFactor: null };
  const chunks = Math.ceil(rows / CHUNK);
  const sums = empty(device, [batch * chunks * cols], dtype);
  const colFactor = empty(device, [batch * cols], dtype);
  const grid = { batch, rows, cols, chunks };
  launch(adafactorColumnSumsKernel, { gradient, scale, sums }, { ...grid, chunk: CHUNK });
  launch(adafactorColumnsKernel, { sums, col, colFactor }, { ...grid, ...moments });
  sums.dispose();
  return { rowFactor, colFactor };
}
