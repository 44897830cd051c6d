// Tiles by the adapter's matrix units (WGSL extension chromium_experimental_subgroup_matrix, as in Dawn's
// docs/dawn/features/subgroup_matrix.md), from planes that lie along k (halfPlanes.ts), sums in f32.
//
// A tile of c falls into shares, each a subgroup's. Where subgroups may differ in size, how many a workgroup has is known
// only when it runs, so they take shares round by round; else there is one round.
// Whatever a barrier or a loop around one depends on is the same for the whole workgroup.
//
// Panels of a and b go to workgroup memory, 16 bytes an invocation at a time, by way of registers: what the next panels
// hold is under way while these are multiplied. Parts of a split k are stored by the units themselves; what is
// scaled or added to c passes through workgroup memory.

import type { ScalarType, SubgroupMatrixShape, WgslShader } from "../../tensor/wgsl.ts";
import { each, LANES } from "./operands.ts";
import {
  elementBytes,
  matrixExtent,
  panelStride,
  sharesOf,
  type MatrixTile,
} from "./matrixTiles.ts";
import { findLayer, layerParams } from "./tiledParts.ts";
import { placeParams } from "./product.ts";
import { powersOfTwo } from "../wgsl/math.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";

export interface MatrixVariant {
  readonly shape: SubgroupMatrixShape;
  readonly tile: MatrixTile;
  /** Results of a share that pass through workgroup memory at once. */
  readonly resultsAcross: number;
  /** Panels of 16-byte vectors, which Vulkan's units read as f16 or f32; elsewhere panels are of the units' own type. */
  readonly vectorPanels: boolean;
  /** Writes sums over a part of k to the temporary `parts`, of whole tiles, instead of c. */
  readonly partial: boolean;
  /** Rows of c are a multiple of 4 long. */
  readonly alignedC: boolean;
}

/** Workgroups that follow one another work on tiles in bands of so many rows of tiles: what they read stays in the cache. */
const BAND = 8;

/** The shader of a variant; the same object for equal variants. */
export const matrixShader = memoByVariant(makeShader);

const matrixParams: Readonly<Record<string, ScalarType>> = {
  ...layerParams,
  ...placeParams,
  ...{ rowLength: "u32", planeA: "u32", planeB: "u32", lowA: "u32", lowB: "u32" },
};

function makeShader(variant: MatrixVariant): WgslShader {
  const { shape, tile, partial, alignedC } = variant;
  const { componentType, m, n, k } = shape;
  const [rows, cols] = matrixExtent(tile, shape);
  const halves = componentType === "f16";
  return {
    name: `matrix${rows}x${cols}.${componentType}.${m}x${n}x${k}${partial ? ".partial" : ""}`,
    reads: ["planesA", "planesB", ...(halves && !partial ? ["exponents"] : [])],
    writes: [partial ? "parts" : "c"],
    uses: [powersOfTwo],
    views: {
      ...{ planesA: "vec4<u32>", planesB: "vec4<u32>" },
      ...(alignedC && !partial ? { c: "vec4<f32>" } : {}),
    },
    directives: [
      ...(halves ? ["enable f16;"] : []),
      "enable subgroups;",
      "enable chromium_experimental_subgroup_matrix;",
      // WGSL proves uniformity for whole workgroups only; shares differ between subgroups, not within one.
      "diagnostic(off, chromium.subgroup_matrix_uniformity);",
    ],
    params: matrixParams,
    source: [constants(variant), panels(variant), main(variant)].join("\n"),
  };
}

function constants({ shape, tile, vectorPanels }: MatrixVariant): string {
  const [rows, cols] = matrixExtent(tile, shape);
  const vector = 16 / elementBytes(shape);
  const unit = vectorPanels ? vector : 1;
  return /* wgsl */ `
const TILE_M = ${rows}u;
const TILE_N = ${cols}u;
const TILE_K = ${tile.tileK}u;
const VECTOR = ${vector}u;
const QUADS = TILE_K / VECTOR;
// In elements of the panels; rows are longer than they need be, so that they begin in different banks.
const STRIDE = ${panelStride(tile, shape) / unit}u;
const SHARES = ${sharesOf(tile)}u;
const PART_A = (TILE_M * QUADS + WG - 1u) / WG;
const PART_B = (TILE_N * QUADS + WG - 1u) / WG;`;
}

function panels({ shape, tile, vectorPanels, resultsAcross, partial }: MatrixVariant): string {
  const type = vectorPanels ? "vec4<u32>" : shape.componentType;
  const results = `
var<workgroup> results: array<f32, SHARES * ${shape.m * resultsAcross * shape.n}u>;`;
  return /* wgsl */ `
var<workgroup> panelA: array<${type}, TILE_M * STRIDE>;
var<workgroup> panelB: array<${type}, TILE_N * STRIDE>;${partial ? "" : results}
${put("A", { shape, tile, vectorPanels })}
${put("B", { shape, tile, vectorPanels })}`;
}

/** putX: 16 bytes to row `row` of a panel. */
function put(
  operand: "A" | "B",
  { shape, vectorPanels }: Pick<MatrixVariant, "shape" | "tile" | "vectorPanels">,
): string {
  const head = `fn put${operand}(row: u32, quad: u32, x: vec4<u32>)`;
  if (vectorPanels) return `${head} { panel${operand}[row * STRIDE + quad] = x; }`;
  if (shape.componentType === "f32") {
    return `${head} {
  let to = row * STRIDE + quad * VECTOR;
${each(4, (e) => `  panel${operand}[to + ${e}u] = bitcast<f32>(x.${LANES[e]});`)}
}`;
  }
  return `${head} {
  let to = row * STRIDE + quad * VECTOR;
${each(
  4,
  (e) => `  let pair${e} = bitcast<vec2<f16>>(x.${LANES[e]});
  panel${operand}[to + ${2 * e}u] = pair${e}.x;
  panel${operand}[to + ${2 * e + 1}u] = pair${e}.y;`,
)}
}`;
}

function main(variant: MatrixVariant): string {
  const { shape, tile, vectorPanels, partial } = variant;
  const { componentType, m, n, k } = shape;
  const [down, across] = tile.results;
  const unit = vectorPanels ? 16 / elementBytes(shape) : 1;
  // WGSL's order is columns, rows.
  const [left, right, result] = [
    `subgroup_matrix_left<${componentType}, ${k}, ${m}>`,
    `subgroup_matrix_right<${componentType}, ${n}, ${k}>`,
    `subgroup_matrix_result<f32, ${n}, ${m}>`,
  ];
  return /* wgsl */ `
${findLayer.replace(
  "@builtin(local_invocation_index) local: u32",
  `@builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32`,
)}
  let place = index % (params.tileCols * params.tileRows);
  let band = place / (${BAND}u * params.tileCols) * ${BAND}u;
  let height = min(${BAND}u, params.tileRows - band);
  let within = place - band * params.tileCols;
  let tileRow = (band + within % height) * TILE_M;
  let tileCol = within / height * TILE_N;
  for (var first = 0u; first < SHARES; first += subgroups) {
    let share = first + subgroup;
    let shareRow = share / ${tile.shares[1]}u * ${down * m}u;
    let shareCol = share % ${tile.shares[1]}u * ${across * n}u;
${each(down, (i) => each(across, (j) => `    var c${i}_${j} = ${result}();`))}
    var nextA: array<vec4<u32>, PART_A>;
    var nextB: array<vec4<u32>, PART_B>;
${fetch("begin")}
    for (var stage = begin; stage < end; stage += TILE_K) {
${vectors("A", "        if (row < TILE_M) { putA(row, quad, nextA[u]); }")}
${vectors("B", "        if (row < TILE_N) { putB(row, quad, nextB[u]); }")}
      workgroupBarrier();
      // What the next stage needs is under way while this one is computed.
      if (stage + TILE_K < end) {
${fetch("stage + TILE_K")}
      }
      if (share < SHARES) {
        for (var d = 0u; d < TILE_K / ${unit}u; d += ${k}u / ${unit}u) {
${each(down, (i) => `          let a${i} = subgroupMatrixLoad<${left}, row_major>(&panelA, (shareRow + ${i * m}u) * STRIDE + d, STRIDE);`)}
${each(across, (j) => `          let b${j} = subgroupMatrixLoad<${right}, col_major>(&panelB, (shareCol + ${j * n}u) * STRIDE + d, STRIDE);`)}
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
${partial ? storeParts(variant) : each(down, (i) => each(across / variant.resultsAcross, (j) => store(variant, i, j)))}
  }
}`;
}

/** An invocation's vectors of a panel: every WG-th of them. */
function vectors(operand: "A" | "B", body: string): string {
  return /* wgsl */ `
      for (var u = 0u; u < PART_${operand}; u++) {
        let i = local + u * WG;
        let row = i / QUADS;
        let quad = i % QUADS;
${body}
      }`;
}

/** Reads an invocation's part of the panels at `stage`, of the planes that its term takes; rows outside are read as the last one. */
function fetch(stage: string): string {
  const one = (operand: "A" | "B", size: string, tile: string): string =>
    vectors(
      operand,
      `        let from8 = matrix${operand} + min(${tile} + row, ${size} - 1u) * params.row${operand} + low${operand} + step;
        next${operand}[u] = planes${operand}[from8 / VECTOR + quad];`,
    );
  return /* wgsl */ `
      {
        let term = (${stage}) / params.rowLength;
        let step = (${stage}) % params.rowLength;
        let lowA = ((params.lowA >> term) & 1u) * params.planeA;
        let lowB = ((params.lowB >> term) & 1u) * params.planeB;
${one("A", "params.m", "tileRow")}
${one("B", "params.n", "tileCol")}
      }`;
}

/** Parts are whole tiles: nothing lies outside. */
function storeParts({ shape: { m, n }, tile }: MatrixVariant): string {
  const [down, across] = tile.results;
  return /* wgsl */ `
    if (share < SHARES) {
      let stride = params.tileCols * TILE_N;
      let to = (layer * params.tileRows * TILE_M + tileRow + shareRow) * stride + tileCol + shareCol;
${each(down, (i) => each(across, (j) => `      subgroupMatrixStore<row_major>(&parts, to + ${i * m}u * stride + ${j * n}u, c${i}_${j}, stride);`))}
    }`;
}

/** Takes a part of a row of results of all shares of a round by way of workgroup memory to c, where it has rows and columns. */
function store(variant: MatrixVariant, i: number, part: number): string {
  const { shape, tile, resultsAcross, alignedC } = variant;
  const { m, n } = shape;
  const [down, across] = tile.results;
  const width = resultsAcross * n;
  const step = alignedC ? 4 : 1;
  const isScaled = shape.componentType === "f16";
  const values = alignedC
    ? `vec4<f32>(results[from4], results[from4 + 1u], results[from4 + 2u], results[from4 + 3u])`
    : "results[from4]";
  return /* wgsl */ `
    if (share < SHARES) {
${each(resultsAcross, (j) => `      subgroupMatrixStore<row_major>(&results, subgroup * ${m * width}u + ${j * n}u, c${i}_${part * resultsAcross + j}, ${width}u);`)}
    }
    workgroupBarrier();
    for (var e = local; e < min(subgroups, SHARES - first) * ${(m * width) / step}u; e += WG) {
      let from4 = e * ${step}u;
      let source = first + from4 / ${m * width}u;
      let row = tileRow + source / ${tile.shares[1]}u * ${down * m}u + ${i * m}u + from4 % ${m * width}u / ${width}u;
      let col = tileCol + source % ${tile.shares[1]}u * ${across * n}u + ${part * width}u + from4 % ${width}u;
      if (row < params.m && col < params.n) {
        let values = ${values};
        let scaled = ${isScaled ? descaled(alignedC) : "values"};
        let to = (matrixC + row * params.rowC + col) / ${step}u;
        if (ACCUMULATE == 1u) { c[to] += scaled; } else { c[to] = scaled; }
      }
    }
    workgroupBarrier();`;
}

/** `values` of row `row` and from column `col` on, less the powers of two that their operands were multiplied by. */
export function descaled(aligned: boolean): string {
  const one = (value: string, column: string): string =>
    `timesPowerOfTwo(${value}, -(exponents[batch * params.m + row] + exponents[batches * params.m + batch * params.n + col${column}]))`;
  if (!aligned) return one("values", "");
  return `vec4<f32>(${each(4, (e) => one(`values.${LANES[e]}`, ` + ${e}u`), ", ")})`;
}
