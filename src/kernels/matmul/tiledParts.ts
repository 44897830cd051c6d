// What the shaders that go by tiles have in common.

import { each, LANES, type Operands } from "./operands.ts";

export interface TiledVariant extends Operands {
  /** c's block of an invocation; multiples of 4. */
  readonly rows: number;
  readonly cols: number;
  readonly staged: boolean;
  /** Writes sums over a part of k to the temporary `parts` instead of c. */
  readonly partial: boolean;
}

/**
 * Params that say where a workgroup works: tiles along m and n, matrices times splits of k, steps of k in a split, and
 * elements from one split's parts to the next's.
 */
export const layerParams = {
  tileRows: "u32",
  tileCols: "u32",
  layers: "u32",
  chunk: "u32",
  partSize: "u32",
} as const;

/** The beginning of `main`: which steps of k, of which operands, are this workgroup's. */
export const findOperands = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let index = groupIndex(group);
  let layer = index / (params.tileCols * params.tileRows);
  if (layer >= params.layers) { return; }
  let batches = params.batch0 * params.batch1 * params.batch2 * params.batch3;
  let batch = layer % batches;
  let begin = layer / batches * params.chunk;
  let end = min(params.k, begin + params.chunk);
  let i3 = batch % params.batch3;
  let i2 = batch / params.batch3 % params.batch2;
  let i1 = batch / (params.batch3 * params.batch2) % params.batch1;
  let i0 = batch / (params.batch3 * params.batch2 * params.batch1);
  let matrixA = params.startA + i0 * params.a0 + i1 * params.a1 + i2 * params.a2 + i3 * params.a3;
  let matrixB = params.startB + i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3;`;

/** And which matrices. */
export const findLayer = /* wgsl */ `${findOperands}
  let matrixC = params.startC + batch * params.m * params.rowC + layer / batches * params.partSize;`;

/** And which tile of c. */
export const findTile = /* wgsl */ `${findLayer}
  let tileRow = index / params.tileCols % params.tileRows * TILE_M;
  let tileCol = index % params.tileCols * TILE_N;`;

/** Which of a tile's blocks is this invocation's. */
export const findBlock = /* wgsl */ `
  let threadRow = local / THREAD_COLS;
  let threadCol = local % THREAD_COLS;`;

/** Row i of an invocation's block. Neighbouring invocations have neighbouring rows (in fours, across k). */
export function rowOf({ transposeA }: Operands, i: number): string {
  return transposeA
    ? `tileRow + (threadRow + ${i >> 2}u * THREAD_ROWS) * 4u + ${i & 3}u`
    : `tileRow + threadRow + ${i}u * THREAD_ROWS`;
}

/** Column j, or where four of them begin. */
export function colOf({ transposeB }: Operands, j: number): string {
  return transposeB
    ? `tileCol + threadCol + ${j}u * THREAD_COLS`
    : `tileCol + (threadCol + ${j >> 2}u * THREAD_COLS) * 4u`;
}

export function accumulators({ rows, cols, transposeB }: TiledVariant): string {
  return each(rows, (i) =>
    transposeB
      ? each(cols, (j) => `  var c${i}_${j} = 0.0;`)
      : each(cols / 4, (j) => `  var c${i}_${j} = vec4<f32>();`),
  );
}

/** Adds the products of four steps of k. Operands are a<i> or a<step>_<i / 4>, and b likewise. */
export function multiplyFour({ rows, cols, staged, transposeA, transposeB }: TiledVariant): string {
  const a = (i: number, step: number): string =>
    transposeA ? `a${step}_${i >> 2}.${LANES[i & 3]}` : `a${i}.${LANES[step]}`;
  if (!transposeB) {
    return each(4, (step) =>
      each(rows, (i) => each(cols / 4, (j) => `c${i}_${j} += ${a(i, step)} * b${step}_${j};`, " ")),
    );
  }
  // A dot and an addition are five operations on GPUs, four multiply-adds are four; a CPU's dot is a vector's.
  if (!transposeA && staged) {
    return each(4, (step) =>
      each(rows, (i) =>
        each(
          cols,
          (j) => `c${i}_${j} = fma(${a(i, step)}, b${j}.${LANES[step]}, c${i}_${j});`,
          " ",
        ),
      ),
    );
  }
  if (!transposeA) {
    return each(rows, (i) => each(cols, (j) => `c${i}_${j} += dot(a${i}, b${j});`, " "));
  }
  const sum = (i: number, j: number): string =>
    each(4, (step) => `${a(i, step)} * b${j}.${LANES[step]}`, " + ");
  return each(rows, (i) => each(cols, (j) => `c${i}_${j} += ${sum(i, j)};`));
}

export function stores(variant: TiledVariant): string {
  const { rows, cols, transposeB } = variant;
  const row = (i: number): string => {
    const put = transposeB
      ? each(cols, (j) => {
          const col = colOf(variant, j);
          return `    if (${col} < params.n) { put1(row + ${col}, c${i}_${j}); }`;
        })
      : each(cols / 4, (j) => {
          const col = colOf(variant, 4 * j);
          return `    if (${col} < params.n) { put4(row + ${col}, c${i}_${j}, params.n - (${col})); }`;
        });
    return `  if (${rowOf(variant, i)} < params.m) {
    let row = matrixC + (${rowOf(variant, i)}) * params.rowC;
${put}
  }`;
  };
  return `${each(rows, row)}\n}`;
}
