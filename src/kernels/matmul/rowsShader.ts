// Products with few rows, as decoding has them: every element of b is read once, for all rows at a time.
//
// SLICES invocations share a column (b along k), or four neighbouring columns (b across k): each goes through its part of k,
// and their sums are added up in workgroup memory or, without barriers, by subgroup shuffles.

import type { WgslShader } from "../../tensor/wgsl.ts";
import { each, reading, snippetsOf, viewsOf, writing, type Operands } from "./operands.ts";
import { placeParams } from "./product.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";

export interface RowsVariant extends Operands {
  /** Most rows of c: 1, 4 or 8. */
  readonly rows: number;
  /** Columns of an invocation where b is along k: so often is each element of a used. */
  readonly cols: number;
  /** Adds up by subgroup shuffles; SLICES may be at most the least subgroup size. */
  readonly subgroups: boolean;
}

/** The shader of a variant; the same object for equal variants. */
export const rowsShader = memoByVariant(makeShader);

function makeShader(variant: RowsVariant): WgslShader {
  const { rows, cols, transposeB, subgroups } = variant;
  return {
    name: `rows${rows}${transposeB ? `x${cols}` : ""}${subgroups ? ".subgroups" : ""}`,
    uses: snippetsOf(variant),
    views: viewsOf(variant, "c"),
    reads: ["a", "b"],
    writes: ["c"],
    ...(subgroups ? { directives: ["enable subgroups;"] } : {}),
    constants: { SLICES: "u32" },
    params: {
      // Workgroups along n, and matrices.
      ...{ groupCols: "u32", layers: "u32" },
      ...placeParams,
    },
    source: [
      `const LAST = ${variant.aligned ? 4 : 1}u;`,
      reading(variant),
      readingA(variant),
      writing(variant, "c", true),
      addingUp(variant),
      main(variant),
    ].join("\n"),
  };
}

/** aSteps reads four steps of a row of a; the rows of a stored across k are few and short. */
function readingA({ transposeA }: RowsVariant): string {
  if (!transposeA) {
    return (
      "fn aSteps(matrix: u32, row: u32, d: u32) -> vec4<f32> { return readA4(matrix + row * params.rowA + d); }\n" +
      "fn aStep(matrix: u32, row: u32, d: u32) -> f32 { return readA1(matrix + row * params.rowA + d); }"
    );
  }
  return /* wgsl */ `
fn aStep(matrix: u32, row: u32, d: u32) -> f32 { return readA1(matrix + d * params.rowA + row); }
fn aSteps(matrix: u32, row: u32, d: u32) -> vec4<f32> {
  return vec4<f32>(
    aStep(matrix, row, d), aStep(matrix, row, d + 1u), aStep(matrix, row, d + 2u), aStep(matrix, row, d + 3u));
}`;
}

/**
 * allSlices adds up the values of the invocations that share columns; the first of them gets the sum. Shuffles take
 * neighbours in the subgroup for neighbours in the workgroup, as they are wherever workgroups have one dimension.
 */
function addingUp({ transposeB, subgroups }: RowsVariant): string {
  const type = transposeB ? "f32" : "vec4<f32>";
  const [apart, slice] = transposeB
    ? ["1u", "local % SLICES"]
    : ["(WG / SLICES)", "local / (WG / SLICES)"];
  if (subgroups) {
    return /* wgsl */ `
fn allSlices(local: u32, value: ${type}) -> ${type} {
  var sum = value;
  for (var half = SLICES / 2u; half > 0u; half >>= 1u) { sum += subgroupShuffleXor(sum, half); }
  return sum;
}`;
  }
  return /* wgsl */ `
var<workgroup> sums: array<${type}, WG>;
fn allSlices(local: u32, value: ${type}) -> ${type} {
  if (SLICES == 1u) { return value; }
  // The first barrier also lets everyone read the sum of the call before.
  workgroupBarrier();
  sums[local] = value;
  for (var half = SLICES / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (${slice} < half) { sums[local] += sums[local + half * ${apart}]; }
  }
  return sums[local];
}`;
}

function main(variant: RowsVariant): string {
  const { rows, transposeB } = variant;
  const row = (i: number): string => `min(${i}u, params.m - 1u)`;
  return /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let index = groupIndex(group);
  let layer = index / params.groupCols;
  if (layer >= params.layers) { return; }
  let i3 = layer % params.batch3;
  let i2 = layer / params.batch3 % params.batch2;
  let i1 = layer / (params.batch3 * params.batch2) % params.batch1;
  let i0 = layer / (params.batch3 * params.batch2 * params.batch1);
  let matrixA = params.startA + i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3;
  let matrixB = params.startB + i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3;
  let matrixC = params.startC + layer * params.m * params.rowC;
${each(rows, (i) => `  let row${i} = ${row(i)};`)}
  let whole = params.k / 4u * 4u;
${transposeB ? alongMain(variant) : acrossMain(variant)}
}`;
}

/** b [n, k]: an invocation's columns lie WG / SLICES apart. */
function alongMain({ rows, cols }: RowsVariant): string {
  const sums = (text: (i: number, j: number) => string): string =>
    each(rows, (i) => each(cols, (j) => text(i, j), " "));
  return /* wgsl */ `
  let slice = local % SLICES;
  let first = index % params.groupCols * (WG / SLICES * ${cols}u) + local / SLICES;
${each(cols, (j) => `  let col${j} = first + ${j}u * (WG / SLICES);`)}
${each(cols, (j) => `  let start${j} = matrixB + min(col${j}, params.n - 1u) * params.rowB;`)}
${sums((i, j) => `var c${i}_${j} = 0.0;`)}
  for (var d = slice * 4u; d < whole; d += SLICES * 4u) {
${each(cols, (j) => `    let b${j} = readB4(start${j} + d);`)}
${each(rows, (i) => `    let a${i} = aSteps(matrixA, row${i}, d);`)}
${sums((i, j) => `c${i}_${j} += dot(a${i}, b${j});`)}
  }
  for (var d = whole + slice; d < params.k; d += SLICES) {
${each(rows, (i) => each(cols, (j) => `c${i}_${j} += aStep(matrixA, row${i}, d) * readB1(start${j} + d);`))}
  }
${each(rows, (i) =>
  each(
    cols,
    (j) => `  c${i}_${j} = allSlices(local, c${i}_${j});
  if (slice == 0u && ${i}u < params.m && col${j} < params.n) { put1(matrixC + ${i}u * params.rowC + col${j}, c${i}_${j}); }`,
  ),
)}`;
}

/** b [k, n]: invocations that share columns lie WG / SLICES apart, so that neighbours read neighbouring columns. */
function acrossMain({ rows }: RowsVariant): string {
  return /* wgsl */ `
  let slice = local / (WG / SLICES);
  let first = (index % params.groupCols * (WG / SLICES) + local % (WG / SLICES)) * 4u;
  let start = matrixB + min(first, params.n - LAST);
${each(rows, (i) => `  var c${i} = vec4<f32>();`)}
  for (var d = slice * 4u; d < whole; d += SLICES * 4u) {
${each(4, (step) => `    let b${step} = readB4(start + (d + ${step}u) * params.rowB);`)}
${each(
  rows,
  (i) => `    let a${i} = aSteps(matrixA, row${i}, d);
    c${i} += a${i}.x * b0 + a${i}.y * b1 + a${i}.z * b2 + a${i}.w * b3;`,
)}
  }
  for (var d = whole + slice; d < params.k; d += SLICES) {
    let b = readB4(start + d * params.rowB);
${each(rows, (i) => `    c${i} += aStep(matrixA, row${i}, d) * b;`)}
  }
${each(
  rows,
  (i) => `  c${i} = allSlices(local, c${i});
  if (slice == 0u && ${i}u < params.m && first < params.n) {
    put4(matrixC + ${i}u * params.rowC + first, c${i}, params.n - first);
  }`,
)}`;
}
