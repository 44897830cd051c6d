// Tiles by the adapter's matrix units (WGSL extension chromium_experimental_subgroup_matrix, as in Dawn's
// docs/dawn/features/subgroup_matrix.md), of operands as they are stored, sums in f32.
//
// A tile of c falls into shares, each a subgroup's. Where subgroups may differ in size, how many a workgroup has is known
// only when it runs, so they take shares round by round; else there is one round.
// Whatever a barrier or a loop around one depends on is the same for the whole workgroup.
//
// Panels of a and b go to workgroup memory, 16 bytes an invocation at a time, by way of registers: what the next panels
// hold is under way while these are multiplied (matrixPanels.ts). Operands of f16 are scaled on the way (halfPieces.ts).

import type { ScalarType, WgslShader } from "../../tensor/wgsl.ts";
import { bindingsOf, isSum } from "./groupBindings.ts";
import { choosing, groupElements, groupViews } from "./groupShader.ts";
import { memoByVariant } from "../wgsl/memoByVariant.ts";
import { halves, scaling } from "./halfPieces.ts";
import {
  countOf,
  eachVector,
  fetched,
  OPERANDS,
  orientationOf,
  panels,
  piecesIn,
  vectorOf,
  type Operand,
} from "./matrixPanels.ts";
import { resultsArray, stores } from "./matrixStores.ts";
import { matrixExtent } from "./matrixTiles.ts";
import type { MatrixVariant } from "./matrixVariant.ts";
import { each, LANES, reading, snippetsOf, viewsOf } from "./operands.ts";
import { placeParams } from "./product.ts";
import { findLayer, findOperands, layerParams } from "./tiledParts.ts";

/** Workgroups that follow one another work on tiles in bands of so many rows of tiles: what they read stays in the cache. */
const BAND = 8;

/** The shader of a variant; the same object for equal variants. */
export const matrixShader = memoByVariant(makeShader);

const matrixParams: Readonly<Record<string, ScalarType>> = { ...layerParams, ...placeParams };

function makeShader(variant: MatrixVariant): WgslShader {
  const { operands, pieces, shape, tile, partial, group } = variant;
  const { componentType, m, n, k } = shape;
  const [rows, cols] = matrixExtent(tile, shape);
  const isHalf = componentType === "f16";
  return {
    name: `matrix${rows}x${cols}.${componentType}.${m}x${n}x${k}${partial ? ".partial" : ""}`,
    reads: [...bindingsOf("a", group?.a ?? 1), ...bindingsOf("b", group?.b ?? 1)],
    writes: partial ? ["parts"] : bindingsOf("c", group?.c ?? 1),
    uses: [...snippetsOf(operands), scaling, ...(isHalf ? [halves] : [])],
    views: group ? groupViews(operands, group) : viewsOf(operands, null),
    directives: [
      ...(isHalf ? ["enable f16;"] : []),
      "enable subgroups;",
      "enable chromium_experimental_subgroup_matrix;",
      // WGSL proves uniformity for whole workgroups only; shares differ between subgroups, not within one.
      "diagnostic(off, chromium.subgroup_matrix_uniformity);",
      "diagnostic(off, subgroup_uniformity);",
    ],
    params: group ? { ...matrixParams, segment: "u32" } : matrixParams,
    source: [
      `const TILE_M = ${rows}u;\nconst TILE_N = ${cols}u;\nconst TILE_K = ${tile.tileK}u;`,
      `const SHARES = ${tile.shares[0] * tile.shares[1]}u;`,
      group ? choosing(operands, group) : "",
      reading(operands, groupElements(group)),
      panels(variant),
      resultsArray(variant),
      pieces.scaling === "rows" ? rowMagnitudes : "",
      pieces.scaling === "tile" ? tileMagnitudes : "",
      main(variant),
    ].join("\n"),
  };
}

const rowMagnitudes = /* wgsl */ `
/** Bits of the largest magnitudes, of the tile's rows and then of its columns. */
var<workgroup> rowMost: array<atomic<u32>, TILE_M + TILE_N>;
fn exponentAt(row: u32) -> i32 { return exponentOf(atomicLoad(&rowMost[row])); }`;

const tileMagnitudes = /* wgsl */ `
/** Bits of the largest magnitudes that each subgroup read of a and of b. */
var<workgroup> greatest: array<vec2<u32>, WG>;`;

function main(variant: MatrixVariant): string {
  const { shape, tile, pieces, group } = variant;
  const { componentType, m, n, k } = shape;
  const [down, across] = tile.results;
  // WGSL's order is columns, rows.
  const result = `subgroup_matrix_result<f32, ${n}, ${m}>`;
  const left = `subgroup_matrix_left<${componentType}, ${k}, ${m}>`;
  const right = `subgroup_matrix_right<${componentType}, ${n}, ${k}>`;
  const isTile = pieces.scaling === "tile";
  return /* wgsl */ `
${(group ? findOperands : findLayer).replace(
  "@builtin(local_invocation_index) local: u32",
  `@builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32`,
)}
${group ? `  let matrixC = params.startC;\n${isSum(group) ? "" : "  which = batch;"}` : ""}
  let cell = index % (params.tileCols * params.tileRows);
  let band = cell / (${BAND}u * params.tileCols) * ${BAND}u;
  let height = min(${BAND}u, params.tileRows - band);
  let within = cell - band * params.tileCols;
  let tileRow = (band + within % height) * TILE_M;
  let tileCol = within / height * TILE_N;
${pieces.scaling === "rows" ? findRowMagnitudes(variant) : ""}
  for (var first = 0u; first < SHARES; first += subgroups) {
    let share = first + subgroup;
    let shareRow = share / ${tile.shares[1]}u * ${down * m}u;
    let shareCol = share % ${tile.shares[1]}u * ${across * n}u;
${each(down, (i) => each(across, (j) => `    var c${i}_${j} = ${result}();`))}
    var nextA: array<RawA, PART_A>;
    var nextB: array<RawB, PART_B>;
${isTile ? "    var exponents = vec2<i32>(126);" : ""}
${fetch(variant, "begin")}
${isTile ? `${tellMagnitudes(variant, "begin")}\n      workgroupBarrier();` : ""}
    for (var stage = begin; stage < end; stage += TILE_K) {
${isTile ? grow(variant) : ""}
${OPERANDS.map((operand) => put(operand, variant)).join("\n")}
      workgroupBarrier();
      // What the next stage needs is under way while this one is computed.
      if (stage + TILE_K < end) {
${fetch(variant, "stage + TILE_K")}
      }
      if (share < SHARES) {
        for (var d = 0u; d < TILE_K; d += ${k}u) {
${multiply(variant, left, right)}
        }
      }
${isTile ? `      if (stage + TILE_K < end) {\n${tellMagnitudes(variant, "stage + TILE_K")}\n      }` : ""}
      workgroupBarrier();
    }
${stores(variant)}
  }
}`;
}

function fetch(variant: MatrixVariant, stage: string): string {
  return OPERANDS.map((operand) =>
    eachVector(
      operand,
      variant,
      `${fetched(operand, variant, stage)}\n          next${operand}[u] = raw;`,
    ),
  ).join("\n");
}

/** Largest of a vector's numbers `x`. */
function largestOf(variant: MatrixVariant): string {
  return vectorOf(variant) === 8
    ? "largest(max(magnitudes(x[0]), magnitudes(x[1])))"
    : "largest(magnitudes(x[0]))";
}

/** Leaves the subgroup's largest magnitudes of the vectors in registers. */
function tellMagnitudes(variant: MatrixVariant, stage: string): string {
  const part = (operand: Operand, lane: "x" | "y"): string =>
    eachVector(
      operand,
      variant,
      `          let x = wide${operand}(next${operand}[u], ${countOf(operand, variant, stage)});
          parts.${lane} = max(parts.${lane}, ${largestOf(variant)});`,
    );
  return /* wgsl */ `
      {
        var parts = vec2<u32>();
${part("A", "x")}
${part("B", "y")}
        greatest[subgroup] = subgroupMax(parts);
      }`;
}

/** Where larger numbers have come, sums so far are divided by what the scale loses. */
function grow({ tile }: MatrixVariant): string {
  const [down, across] = tile.results;
  return /* wgsl */ `
      var most = vec2<u32>();
      for (var s = 0u; s < subgroups; s++) { most = max(most, greatest[s]); }
      let now = min(exponents, vec2<i32>(exponentOf(most.x), exponentOf(most.y)));
      if (any(now != exponents)) {
        if (stage > begin) {
          let loss = max(now.x + now.y - exponents.x - exponents.y, -252);
          let halfLoss = powerOfTwo(loss / 2);
          let otherLoss = powerOfTwo(loss - loss / 2);
${each(down, (i) => each(across, (j) => timesBoth(`c${i}_${j}`, "halfLoss", "otherLoss", "          ")))}
        }
        exponents = now;
      }`;
}

function timesBoth(matrix: string, x: string, y: string, indent: string): string {
  return `${indent}${matrix} = subgroupMatrixScalarMultiply(subgroupMatrixScalarMultiply(${matrix}, ${x}), ${y});`;
}

/** The largest magnitudes of the rows and columns of a tile over the steps of k. */
function findRowMagnitudes(variant: MatrixVariant): string {
  const found = (operand: Operand): string => {
    const first = operand === "A" ? "0u" : "TILE_M";
    const along = orientationOf(operand, variant) === "along";
    const tell = along
      ? `atomicMax(&rowMost[${first} + line], ${largestOf(variant)});`
      : each(
          8,
          (e) =>
            `atomicMax(&rowMost[${first} + 8u * place + ${e}u], magnitudes(x[${e >> 2}]).${LANES[e & 3]});`,
        );
    return eachVector(
      operand,
      variant,
      `${fetched(operand, variant, "stage")}
          let x = wide${operand}(raw, ${countOf(operand, variant, "stage")});
          ${tell}`,
    );
  };
  return /* wgsl */ `
  for (var stage = begin; stage < end; stage += TILE_K) {
${OPERANDS.map(found).join("\n")}
  }
  workgroupBarrier();`;
}

/** Takes the vectors in registers to the panel. */
function put(operand: Operand, variant: MatrixVariant): string {
  const { scaling: by } = variant.pieces;
  const first = operand === "A" ? "0u" : "TILE_M";
  const along = orientationOf(operand, variant) === "along";
  const lanes = (v: number): string =>
    each(4, (e) => `powerOfTwo(exponentAt(${first} + 8u * place + ${4 * v + e}u))`, ", ");
  const scaled = {
    none: "numbers",
    tile: `Numbers(numbers[0] * factor${operand}, numbers[1] * factor${operand})`,
    rows: along
      ? "Numbers(numbers[0] * factor, numbers[1] * factor)"
      : `Numbers(numbers[0] * vec4<f32>(${lanes(0)}), numbers[1] * vec4<f32>(${lanes(1)}))`,
  }[by];
  return [
    by === "tile"
      ? `      let factor${operand} = powerOfTwo(exponents.${operand === "A" ? "x" : "y"});`
      : "",
    eachVector(
      operand,
      variant,
      `          let numbers = wide${operand}(next${operand}[u], ${countOf(operand, variant, "stage")});
${by === "rows" && along ? `          let factor = powerOfTwo(exponentAt(${first} + line));` : ""}
          put${operand}(line, place, ${scaled});`,
    ),
  ].join("\n");
}

/** Steps d to d + k of the panels: high high, low high, high low. */
function multiply(variant: MatrixVariant, left: string, right: string): string {
  const { shape, tile, vectorPanels } = variant;
  const [down, across] = tile.results;
  const unit = vectorPanels ? vectorOf(variant) : 1;
  const load = (operand: Operand, panelName: string, i: number): string => {
    const along = orientationOf(operand, variant) === "along";
    const [share, side, type] =
      operand === "A" ? ["shareRow", shape.m, left] : ["shareCol", shape.n, right];
    const at = `(${share} + ${i * side}u)`;
    // Rows of the left operand are its lines along k, columns of the right one are.
    const order = along === (operand === "A") ? "row_major" : "col_major";
    const stride = `STRIDE_${operand}`;
    const from = along ? `${at} * ${stride} + d / ${unit}u` : `d * ${stride} + ${at} / ${unit}u`;
    return `subgroupMatrixLoad<${type}, ${order}>(&${panelName}, ${from}, ${stride})`;
  };
  const loads = (operand: Operand, low: boolean): string =>
    each(operand === "A" ? down : across, (i) => {
      const panelName = `${low ? "lowPanel" : "panel"}${operand}`;
      return `          let ${low ? "low" : "high"}${operand}${i} = ${load(operand, panelName, i)};`;
    });
  const sums = (a: string, b: string): string =>
    each(down, (i) =>
      each(
        across,
        (j) =>
          `          c${i}_${j} = subgroupMatrixMultiplyAccumulate(${a}A${i}, ${b}B${j}, c${i}_${j});`,
      ),
    );
  return [
    loads("A", false),
    loads("B", false),
    sums("high", "high"),
    ...(piecesIn("A", variant) === 2 ? [loads("A", true), sums("low", "high")] : []),
    ...(piecesIn("B", variant) === 2 ? [loads("B", true), sums("high", "low")] : []),
  ].join("\n");
}
