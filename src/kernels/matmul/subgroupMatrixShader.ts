// Tiles by the adapter's matrix units (WGSL extension chromium_experimental_subgroup_matrix, as in Dawn's
// docs/dawn/features/subgroup_matrix.md), sums in f32.
//
// A tile of c falls into shares, each a subgroup's. How many subgroups a workgroup has is known only when it runs, so they
// take shares round by round; where subgroups have 32 invocations there is one round.
// Whatever a barrier or a loop around one depends on is the same for the whole workgroup.

import type { AdapterFacts, SubgroupMatrixShape, WgslShader } from "../../tensor/wgsl.ts";
import { each, reading, snippetsOf, viewsOf, writing, type Operands } from "./operands.ts";
import { placeParams } from "./product.ts";
import { findTile, layerParams } from "./tiledParts.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";

/** A workgroup's tile, and a subgroup's share of it. */
export interface MatrixTile {
  readonly rows: number;
  readonly cols: number;
  readonly shareRows: number;
  readonly shareCols: number;
}

/** Products that give every core of the adapter several of them. */
export const LARGE_MATRIX_TILE: MatrixTile = { rows: 128, cols: 64, shareRows: 32, shareCols: 32 };
export const SMALL_MATRIX_TILE: MatrixTile = { rows: 64, cols: 64, shareRows: 32, shareCols: 32 };

/** Steps of k in workgroup memory at once. */
export const MATRIX_TILE_K = 32;

export interface MatrixVariant extends Operands {
  readonly shape: SubgroupMatrixShape;
  readonly tile: MatrixTile;
  /** Writes sums over a part of k to the temporary `parts` instead of c. */
  readonly partial: boolean;
}

/**
 * The adapter's matrix shape that a shader can be made of. Halfs are for operands that may be rounded to them; shapes of
 * f32 are for all.
 */
export function matrixShape(adapter: AdapterFacts, half: boolean): SubgroupMatrixShape | null {
  const offered = ["subgroups", "chromium-experimental-subgroup-matrix"].every((feature) =>
    adapter.features.has(feature),
  );
  if (!offered) return null;
  const usable = adapter.subgroupMatrices.filter((shape) => isUsable(shape, adapter));
  const halfs = half && adapter.features.has("shader-f16") ? "f16" : "f32";
  return (
    usable.find(({ componentType }) => componentType === halfs) ??
    usable.find(({ componentType }) => componentType === "f32") ??
    null
  );
}

function isUsable(shape: SubgroupMatrixShape, { workgroupBytes }: AdapterFacts): boolean {
  const { componentType, resultType, m, n, k } = shape;
  if ((componentType !== "f16" && componentType !== "f32") || resultType !== "f32") return false;
  const divides = [SMALL_MATRIX_TILE, LARGE_MATRIX_TILE].every(
    ({ shareRows, shareCols }) => shareRows % m === 0 && shareCols % n === 0,
  );
  return divides && MATRIX_TILE_K % k === 0 && fits(SMALL_MATRIX_TILE, shape, workgroupBytes);
}

/** Whether a workgroup has the memory for a tile. */
export function fits(
  tile: MatrixTile,
  { componentType, m, n }: SubgroupMatrixShape,
  workgroupBytes: number,
): boolean {
  // Panels are longest where they lie along k.
  const panels = (tile.rows + tile.cols) * (MATRIX_TILE_K + 8) * (componentType === "f16" ? 2 : 4);
  return panels + 4 * sharesOf(tile) * m * n <= workgroupBytes;
}

function sharesOf({ rows, cols, shareRows, shareCols }: MatrixTile): number {
  return (rows / shareRows) * (cols / shareCols);
}

/** Invocations of a workgroup: as many as its shares need where subgroups have 32, in whole subgroups of any size. */
export function matrixWorkgroup(tile: MatrixTile, { subgroupSize }: AdapterFacts): number {
  const most = subgroupSize?.max ?? 32;
  return Math.ceil((32 * sharesOf(tile)) / most) * most;
}

/** The shader of a variant; the same object for equal variants. */
export const subgroupMatrixShader = memoByVariant(makeShader);

function makeShader(variant: MatrixVariant): WgslShader {
  const { shape, tile, partial } = variant;
  const { componentType, m, n, k } = shape;
  const output = partial ? "parts" : "c";
  return {
    name: `matrix${tile.rows}x${tile.cols}.${componentType}.${m}x${n}x${k}${partial ? ".partial" : ""}`,
    uses: snippetsOf(variant),
    views: viewsOf(variant, null),
    writes: [output],
    directives: [
      ...(componentType === "f16" ? ["enable f16;"] : []),
      "enable subgroups;",
      "enable chromium_experimental_subgroup_matrix;",
      // WGSL proves uniformity for whole workgroups only; shares differ between subgroups, not within one.
      "diagnostic(off, chromium.subgroup_matrix_uniformity);",
    ],
    params: { ...layerParams, ...placeParams },
    source: [
      `const TILE_M = ${tile.rows}u;\nconst TILE_N = ${tile.cols}u;\nconst TILE_K = ${MATRIX_TILE_K}u;`,
      // The last place where four neighbours across k are read lies so much before the end.
      `const LAST = ${variant.aligned ? 4 : 1}u;`,
      reading(variant),
      // Scalars, whatever the alignment: results come out of workgroup memory one by one.
      writing({ ...variant, aligned: false }, output, !partial),
      main(variant),
    ].join("\n"),
  };
}

function main(variant: MatrixVariant): string {
  const { transposeA, transposeB } = variant;
  const { componentType, m, n, k } = variant.shape;
  const { cols, shareRows, shareCols } = variant.tile;
  const [down, across] = [shareRows / m, shareCols / n];
  // WGSL's order is columns, rows.
  const [left, right, result] = [
    `subgroup_matrix_left<${componentType}, ${k}, ${m}>`,
    `subgroup_matrix_right<${componentType}, ${n}, ${k}>`,
    `subgroup_matrix_result<f32, ${n}, ${m}>`,
  ];
  const loadLeft = (i: number): string =>
    transposeA
      ? `subgroupMatrixLoad<${left}, col_major>(&panelA, d * STRIDE_A + shareRow + ${i * m}u, STRIDE_A)`
      : `subgroupMatrixLoad<${left}, row_major>(&panelA, (shareRow + ${i * m}u) * STRIDE_A + d, STRIDE_A)`;
  const loadRight = (j: number): string =>
    transposeB
      ? `subgroupMatrixLoad<${right}, col_major>(&panelB, (shareCol + ${j * n}u) * STRIDE_B + d, STRIDE_B)`
      : `subgroupMatrixLoad<${right}, row_major>(&panelB, d * STRIDE_B + shareCol + ${j * n}u, STRIDE_B)`;
  return /* wgsl */ `
const SHARES = ${sharesOf(variant.tile)}u;
const PART_A = (TILE_M * TILE_K / 4u + WG - 1u) / WG;
const PART_B = (TILE_N * TILE_K / 4u + WG - 1u) / WG;
// Rows of the panels are as in storage, and a little longer, so that they begin in different banks.
const STRIDE_A = ${transposeA ? "TILE_M" : "TILE_K"} + 8u;
const STRIDE_B = ${transposeB ? "TILE_K" : "TILE_N"} + 8u;
var<workgroup> panelA: array<${componentType}, ${transposeA ? "TILE_K" : "TILE_M"} * STRIDE_A>;
var<workgroup> panelB: array<${componentType}, ${transposeB ? "TILE_N" : "TILE_K"} * STRIDE_B>;
var<workgroup> results: array<f32, SHARES * ${m * n}u>;
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
${findTile.replace(
  "@builtin(local_invocation_index) local: u32",
  `@builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32`,
)}
  for (var first = 0u; first < SHARES; first += subgroups) {
    let share = first + subgroup;
    let shareRow = share / ${cols / shareCols}u * ${shareRows}u;
    let shareCol = share % ${cols / shareCols}u * ${shareCols}u;
${each(down, (i) => each(across, (j) => `    var c${i}_${j} = ${result}();`))}
    var nextA: array<vec4<f32>, PART_A>;
    var nextB: array<vec4<f32>, PART_B>;
${fetch("A", !transposeA, "begin")}
${fetch("B", transposeB, "begin")}
    for (var stage = begin; stage < end; stage += TILE_K) {
${put("A", !transposeA, componentType)}
${put("B", transposeB, componentType)}
      workgroupBarrier();
      // What the next stage needs is under way while this one is computed.
${fetch("A", !transposeA, "stage + TILE_K")}
${fetch("B", transposeB, "stage + TILE_K")}
      if (share < SHARES) {
        for (var d = 0u; d < TILE_K; d += ${k}u) {
${each(down, (i) => `          let a${i} = ${loadLeft(i)};`)}
${each(across, (j) => `          let b${j} = ${loadRight(j)};`)}
${each(down, (i) =>
  each(
    across,
    (j) => `          c${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, c${i}_${j});`,
  ),
)}
        }
      }
      workgroupBarrier();
    }
${each(down, (i) => each(across, (j) => store(variant, i, j)))}
  }
}`;
}

/** Vectors in a row of a panel. */
function quadsOf(operand: "A" | "B", along: boolean): string {
  if (along) return "(TILE_K / 4u)";
  return operand === "A" ? "(TILE_M / 4u)" : "(TILE_N / 4u)";
}

/** An invocation's vectors of a panel: every WG-th of them. */
function vectors(operand: "A" | "B", along: boolean, body: string): string {
  const quads = quadsOf(operand, along);
  return /* wgsl */ `
      for (var u = 0u; u < PART_${operand}; u++) {
        let i = local + u * WG;
        let row = i / ${quads};
        let column = i % ${quads} * 4u;
${body}
      }`;
}

/** Reads an invocation's part of steps first..first + TILE_K of k, zero from `end` on; rows outside are read as the last one. */
function fetch(operand: "A" | "B", along: boolean, first: string): string {
  const [load, size, at] =
    operand === "A" ? ["readA4", "params.m", "tileRow"] : ["readB4", "params.n", "tileCol"];
  const [step, values] = along
    ? [
        `let d = ${first} + column;
        let from4 = matrix${operand} + min(${at} + row, ${size} - 1u) * params.row${operand} + d;`,
        `known(${load}(from4), end - d)`,
      ]
    : [
        `let d = ${first} + row;
        let from4 = matrix${operand} + d * params.row${operand} + min(${at} + column, ${size} - LAST);`,
        `${load}(from4)`,
      ];
  return vectors(
    operand,
    along,
    `        ${step}
        var values = vec4<f32>();
        if (d < end) { values = ${values}; }
        next${operand}[u] = values;`,
  );
}

/** Takes what was read to the panel. */
function put(operand: "A" | "B", along: boolean, type: string): string {
  const rows = along ? (operand === "A" ? "TILE_M" : "TILE_N") : "TILE_K";
  return vectors(
    operand,
    along,
    `        if (row < ${rows}) {
          let to = row * STRIDE_${operand} + column;
${each(4, (e) => `          panel${operand}[to + ${e}u] = ${type}(next${operand}[u][${e}]);`)}
        }`,
  );
}

/** Takes matrix i, j of all shares of a round by way of workgroup memory to c, where it has rows and columns. */
function store({ shape: { m, n }, tile }: MatrixVariant, i: number, j: number): string {
  const { cols, shareRows, shareCols } = tile;
  return /* wgsl */ `
    if (share < SHARES) {
      subgroupMatrixStore<row_major>(&results, subgroup * ${m * n}u, c${i}_${j}, ${n}u);
    }
    workgroupBarrier();
    for (var e = local; e < min(subgroups, SHARES - first) * ${m * n}u; e += WG) {
      let source = first + e / ${m * n}u;
      let row = tileRow + source / ${cols / shareCols}u * ${shareRows}u + ${i * m}u + e % ${m * n}u / ${n}u;
      let col = tileCol + source % ${cols / shareCols}u * ${shareCols}u + ${j * n}u + e % ${n}u;
      if (row < params.m && col < params.n) { put1(matrixC + row * params.rowC + col, results[e]); }
    }
    workgroupBarrier();`;
}
