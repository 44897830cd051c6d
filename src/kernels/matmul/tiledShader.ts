// Products by tiles: each invocation keeps a block of c in registers and adds to it, four steps of k at a time.
//
// An operand whose rows run along k is read four steps of k at a time ("along k"); the other two layouts
// are read four rows or columns at a time ("across k"). So nothing is transposed, here or in memory:
//
//   a [m, k] along k   a [k, m] across k      b [n, k] along k   b [k, n] across k
//
// A staged shader goes by way of workgroup memory, which suits GPUs; an unstaged one reads storage
// directly, which suits software adapters, where workgroup memory is memory and barriers are costly.

import type { WgslShader } from "../../tensor/wgsl.ts";
import { each, LANES, reading, snippetsOf, viewsOf, writing, type Operands } from "./operands.ts";
import { placeParams } from "./product.ts";

export interface TiledVariant extends Operands {
  /** c's block of an invocation; multiples of 4. */
  readonly rows: number;
  readonly cols: number;
  readonly staged: boolean;
  /** Writes sums over a part of k to the temporary `parts` instead of c. */
  readonly partial: boolean;
}

const made = new Map<string, WgslShader>();

/** The shader of a variant; the same object for equal variants. */
export function tiledShader(variant: TiledVariant): WgslShader {
  const { transposeA, transposeB, b, aligned, rows, cols, staged, partial } = variant;
  const key = [transposeA, transposeB, b, aligned, rows, cols, staged, partial].join();
  let shader = made.get(key);
  if (shader === undefined) made.set(key, (shader = makeShader(variant)));
  return shader;
}

function makeShader(variant: TiledVariant): WgslShader {
  const { rows, cols, staged, partial } = variant;
  const output = partial ? "parts" : "c";
  return {
    name: `${staged ? "staged" : "direct"}${rows}x${cols}${partial ? ".partial" : ""}`,
    uses: snippetsOf(variant),
    views: viewsOf(variant, output),
    writes: [output],
    // Invocations of a workgroup, and steps of k that are staged at once.
    constants: { THREAD_ROWS: "u32", THREAD_COLS: "u32", ...(staged ? { TILE_K: "u32" } : {}) },
    params: {
      // Tiles along m and n; matrices times splits of k; steps of k in a split.
      ...{ tileRows: "u32", tileCols: "u32", layers: "u32", chunk: "u32" },
      ...placeParams,
      // Elements from one split's parts to the next's.
      ...{ partSize: "u32" },
    },
    source: [
      `const ROWS = ${rows}u;\nconst COLS = ${cols}u;`,
      // The last place where four neighbours across k are read lies so much before the end.
      `const LAST = ${variant.aligned ? 4 : 1}u;`,
      reading(variant),
      writing(variant, output, !partial),
      staged ? stagedMain(variant) : directMain(variant),
    ].join("\n"),
  };
}

// ---------------------------------------------------------------------------------------------
// Parts of both

const head = /* wgsl */ `
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
  let matrixB = params.startB + i0 * params.b0 + i1 * params.b1 + i2 * params.b2 + i3 * params.b3;
  let matrixC = params.startC + batch * params.m * params.rowC + layer / batches * params.partSize;
  let tileRow = index / params.tileCols % params.tileRows * (THREAD_ROWS * ROWS);
  let tileCol = index % params.tileCols * (THREAD_COLS * COLS);
  let threadRow = local / THREAD_COLS;
  let threadCol = local % THREAD_COLS;`;

/** Row i of an invocation's block. Neighbouring invocations have neighbouring rows (in fours, across k). */
function rowOf({ transposeA }: Operands, i: number): string {
  return transposeA
    ? `tileRow + (threadRow + ${i >> 2}u * THREAD_ROWS) * 4u + ${i & 3}u`
    : `tileRow + threadRow + ${i}u * THREAD_ROWS`;
}

/** Column j, or where four of them begin. */
function colOf({ transposeB }: Operands, j: number): string {
  return transposeB
    ? `tileCol + threadCol + ${j}u * THREAD_COLS`
    : `tileCol + (threadCol + ${j >> 2}u * THREAD_COLS) * 4u`;
}

function accumulators({ rows, cols, transposeB }: TiledVariant): string {
  return each(rows, (i) =>
    transposeB
      ? each(cols, (j) => `  var c${i}_${j} = 0.0;`)
      : each(cols / 4, (j) => `  var c${i}_${j} = vec4<f32>();`),
  );
}

/** Adds the products of four steps of k. Operands are a<i> or a<step>_<i / 4>, and b likewise. */
function multiplyFour({ rows, cols, transposeA, transposeB }: TiledVariant): string {
  const a = (i: number, step: number): string =>
    transposeA ? `a${step}_${i >> 2}.${LANES[i & 3]}` : `a${i}.${LANES[step]}`;
  if (!transposeB) {
    return each(4, (step) =>
      each(rows, (i) => each(cols / 4, (j) => `c${i}_${j} += ${a(i, step)} * b${step}_${j};`, " ")),
    );
  }
  if (!transposeA) {
    return each(rows, (i) => each(cols, (j) => `c${i}_${j} += dot(a${i}, b${j});`, " "));
  }
  const sum = (i: number, j: number): string =>
    each(4, (step) => `${a(i, step)} * b${j}.${LANES[step]}`, " + ");
  return each(rows, (i) => each(cols, (j) => `c${i}_${j} += ${sum(i, j)};`));
}

function stores(variant: TiledVariant): string {
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

// ---------------------------------------------------------------------------------------------
// Straight from storage

/**
 * Rows and columns outside the matrices are read as the last ones are and not stored, which keeps comparisons out
 * of the loop.
 */
function directMain(variant: TiledVariant): string {
  const { rows, cols, transposeA, transposeB } = variant;
  const starts = [
    transposeA
      ? each(
          rows / 4,
          (i) => `  let rowA${i} = matrixA + min(${rowOf(variant, 4 * i)}, params.m - LAST);`,
        )
      : each(
          rows,
          (i) =>
            `  let rowA${i} = matrixA + min(${rowOf(variant, i)}, params.m - 1u) * params.rowA;`,
        ),
    transposeB
      ? each(
          cols,
          (j) =>
            `  let colB${j} = matrixB + min(${colOf(variant, j)}, params.n - 1u) * params.rowB;`,
        )
      : each(
          cols / 4,
          (j) => `  let colB${j} = matrixB + min(${colOf(variant, 4 * j)}, params.n - LAST);`,
        ),
  ];
  const loadA = transposeA
    ? each(4, (step) =>
        each(
          rows / 4,
          (i) => `let a${step}_${i} = readA4(rowA${i} + (d + ${step}u) * params.rowA);`,
          " ",
        ),
      )
    : each(rows, (i) => `let a${i} = readA4(rowA${i} + d);`, " ");
  const loadB = transposeB
    ? each(cols, (j) => `let b${j} = readB4(colB${j} + d);`, " ")
    : each(4, (step) =>
        each(
          cols / 4,
          (j) => `let b${step}_${j} = readB4(colB${j} + (d + ${step}u) * params.rowB);`,
          " ",
        ),
      );
  return `${head}
${starts.join("\n")}
${accumulators(variant)}
  let whole = end - (end - begin) % 4u;
  for (var d = begin; d < whole; d += 4u) {
${loadA}
${loadB}
${multiplyFour(variant)}
  }
  for (var d = whole; d < end; d++) {
${oneStep(variant)}
  }
${stores(variant)}`;
}

/** One step of k, for the last ones. */
function oneStep({ rows, cols, transposeA, transposeB }: TiledVariant): string {
  const loadA = transposeA
    ? each(rows / 4, (i) => `let a${i} = readA4(rowA${i} + d * params.rowA);`, " ")
    : each(rows, (i) => `let a${i} = readA1(rowA${i} + d);`, " ");
  const loadB = transposeB
    ? each(cols, (j) => `let b${j} = readB1(colB${j} + d);`, " ")
    : each(cols / 4, (j) => `let b${j} = readB4(colB${j} + d * params.rowB);`, " ");
  const a = (i: number): string => (transposeA ? `a${i >> 2}.${LANES[i & 3]}` : `a${i}`);
  const products = each(rows, (i) =>
    each(transposeB ? cols : cols / 4, (j) => `c${i}_${j} += ${a(i)} * b${j};`, " "),
  );
  return `${loadA}\n${loadB}\n${products}`;
}

// ---------------------------------------------------------------------------------------------
// By way of workgroup memory

/**
 * Panels of a and b as they lie in storage: vectors along k in rows of TILE_K / 4 and one more, so that invocations
 * reading neighbouring rows meet different banks; vectors across k in rows of a tile.
 */
function stagedMain(variant: TiledVariant): string {
  const { rows, cols, transposeA, transposeB } = variant;
  return /* wgsl */ `
const TILE_M = THREAD_ROWS * ROWS;
const TILE_N = THREAD_COLS * COLS;
const ALONG = TILE_K / 4u + 1u;
var<workgroup> panelA: array<vec4<f32>, ${transposeA ? "TILE_K * (TILE_M / 4u)" : "TILE_M * ALONG"}>;
var<workgroup> panelB: array<vec4<f32>, ${transposeB ? "TILE_N * ALONG" : "TILE_K * (TILE_N / 4u)"}>;
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
${head}
${accumulators(variant)}
  // Every invocation of a group has the same begin and end, so the barriers are reached by all.
  for (var stage = begin; stage < end; stage += TILE_K) {
${fill("A", transposeA)}
${fill("B", transposeB)}
    workgroupBarrier();
    for (var d = 0u; d < TILE_K; d += 4u) {
${
  transposeA
    ? each(4, (step) =>
        each(
          rows / 4,
          (i) =>
            `let a${step}_${i} = panelA[(d + ${step}u) * (TILE_M / 4u) + threadRow + ${i}u * THREAD_ROWS];`,
          " ",
        ),
      )
    : each(
        rows,
        (i) => `let a${i} = panelA[(threadRow + ${i}u * THREAD_ROWS) * ALONG + (d >> 2u)];`,
      )
}
${
  transposeB
    ? each(
        cols,
        (j) => `let b${j} = panelB[(threadCol + ${j}u * THREAD_COLS) * ALONG + (d >> 2u)];`,
      )
    : each(4, (step) =>
        each(
          cols / 4,
          (j) =>
            `let b${step}_${j} = panelB[(d + ${step}u) * (TILE_N / 4u) + threadCol + ${j}u * THREAD_COLS];`,
          " ",
        ),
      )
}
${multiplyFour(variant)}
    }
    workgroupBarrier();
  }
${stores(variant)}`;
}

/** Fills a panel with steps stage..stage + TILE_K of k, zero from \`end\` on. Rows outside are read as the last one. */
function fill(operand: "A" | "B", transposed: boolean): string {
  const [load, size, tile, at] =
    operand === "A"
      ? ["readA4", "params.m", "TILE_M", "tileRow"]
      : ["readB4", "params.n", "TILE_N", "tileCol"];
  const along = operand === "A" ? !transposed : transposed;
  if (along) {
    return /* wgsl */ `
    for (var i = local; i < ${tile} * (TILE_K / 4u); i += WG) {
      let row = min(${at} + i / (TILE_K / 4u), ${size} - 1u);
      let d = stage + i % (TILE_K / 4u) * 4u;
      var values = vec4<f32>();
      if (d < end) { values = known(${load}(matrix${operand} + row * params.row${operand} + d), end - d); }
      panel${operand}[i / (TILE_K / 4u) * ALONG + i % (TILE_K / 4u)] = values;
    }`;
  }
  return /* wgsl */ `
    for (var i = local; i < TILE_K * (${tile} / 4u); i += WG) {
      let d = stage + i / (${tile} / 4u);
      let first = min(${at} + i % (${tile} / 4u) * 4u, ${size} - LAST);
      var values = vec4<f32>();
      if (d < end) { values = ${load}(matrix${operand} + d * params.row${operand} + first); }
      panel${operand}[i] = values;
    }`;
}
