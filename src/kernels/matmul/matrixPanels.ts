// How a shader on matrix units takes operands from where they are stored to workgroup memory: read as 16 bytes of a panel at a
// time, kept in registers while the panels before are multiplied, scaled and rounded on the way (halfPieces.ts).
//
// Panels lie as their operands do: rows of a tile, each some steps of k long ("along k"), or steps of k, each the length of a
// tile ("across k"). The units read both ways, so nothing is transposed.

import { codecs } from "../storedFloats.ts";
import { isSum } from "./groupBindings.ts";
import { groupElements } from "./groupShader.ts";
import { each, LANES } from "./operands.ts";
import type { MatrixVariant } from "./matrixVariant.ts";
import { elementBytes, panelStride, type Orientation } from "./matrixTiles.ts";

export type Operand = "A" | "B";
export const OPERANDS: readonly Operand[] = ["A", "B"];

const names = {
  A: { tile: "TILE_M", begin: "tileRow", size: "params.m" },
  B: { tile: "TILE_N", begin: "tileCol", size: "params.n" },
} as const;

/** The panels of both pieces. */
const declared = {
  A: ["var<workgroup> panelA", "var<workgroup> lowPanelA"],
  B: ["var<workgroup> panelB", "var<workgroup> lowPanelB"],
} as const;

/** How an operand lies in storage, and so in its panel. */
export function orientationOf(operand: Operand, { operands }: MatrixVariant): Orientation {
  const along = operand === "A" ? !operands.transposeA : operands.transposeB;
  return along ? "along" : "across";
}

/** Pieces of an operand. */
export function piecesIn(operand: Operand, { pieces }: MatrixVariant): 1 | 2 {
  return operand === "A" ? pieces.a : pieces.b;
}

/** Elements of 16 bytes of a panel. */
export function vectorOf({ shape }: MatrixVariant): 4 | 8 {
  return elementBytes(shape) === 2 ? 8 : 4;
}

/** Constants, panels, and the functions that read and put vectors, for both operands. */
export function panels(variant: MatrixVariant): string {
  const vectors = vectorOf(variant) / 4;
  return /* wgsl */ `
/** 16 bytes of a panel as numbers. */
alias Numbers = array<vec4<f32>, ${vectors}>;
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
${OPERANDS.map((operand) => panel(operand, variant)).join("\n")}`;
}

function panel(operand: Operand, variant: MatrixVariant): string {
  const { shape, tile, vectorPanels } = variant;
  const vector = vectorOf(variant);
  const unit = vectorPanels ? vector : 1;
  const orientation = orientationOf(operand, variant);
  const rowsOfTile = names[operand].tile;
  const length = orientation === "along" ? "TILE_K" : rowsOfTile;
  const lines = orientation === "along" ? rowsOfTile : "TILE_K";
  const stride = panelStride(operand, orientation, tile, shape) / unit;
  const type = vectorPanels ? "vec4<u32>" : shape.componentType;
  const arrays = declared[operand]
    .slice(0, piecesIn(operand, variant))
    .map((declaration) => `${declaration}: array<${type}, ${lines} * STRIDE_${operand}>;`);
  return /* wgsl */ `
/** Vectors of a line of the panel, and of the panel's part that an invocation has. */
const LINE_${operand} = ${length} / ${vector}u;
const PART_${operand} = (${lines} * LINE_${operand} + WG - 1u) / WG;
// In elements of the panel; lines are longer than they need be, so that they begin in different banks.
const STRIDE_${operand} = ${stride}u;
${arrays.join("\n")}
${reading(operand, variant)}
${putting(operand, variant)}`;
}

/** rawX reads a vector as stored, wideX makes numbers of it, zero from the `count`-th on. */
function reading(operand: Operand, variant: MatrixVariant): string {
  const { aligned, b } = variant.operands;
  const vectors = vectorOf(variant) / 4;
  const element = groupElements(variant.group);
  const wide = each(vectors, (v) => `known(x[${v}], count - min(count, ${4 * v}u))`, ", ");
  if (operand === "B" && aligned && vectors === 2 && (b === "bf16" || b === "f16")) {
    const { unpack } = codecs[b];
    return /* wgsl */ `
alias RawB = vec4<u32>;
fn rawB(at: u32) -> RawB { return vec4<u32>(${element("b", "at >> 2u")}, ${element("b", "(at >> 2u) + 1u")}); }
fn wideB(raw: RawB, count: u32) -> Numbers {
  let x = Numbers(vec4<f32>(${unpack}(raw.x), ${unpack}(raw.y)), vec4<f32>(${unpack}(raw.z), ${unpack}(raw.w)));
  return Numbers(${wide});
}`;
  }
  return /* wgsl */ `
alias Raw${operand} = Numbers;
fn raw${operand}(at: u32) -> Raw${operand} {
  return Numbers(${each(vectors, (v) => `read${operand}4(at + ${4 * v}u)`, ", ")});
}
fn wide${operand}(x: Raw${operand}, count: u32) -> Numbers { return Numbers(${wide}); }`;
}

/** putX: scaled numbers to a panel, `place` in vectors. */
function putting(operand: Operand, variant: MatrixVariant): string {
  const { shape } = variant;
  const two = piecesIn(operand, variant) === 2;
  const [high, low] = [`panel${operand}`, `lowPanel${operand}`];
  const stores: [panel: string, value: string][] =
    elementBytes(shape) === 4
      ? [[high, "bitcast<vec4<u32>>(x[0])"]]
      : two
        ? [
            [high, "highHalves(x)"],
            [low, "lowHalves(x)"],
          ]
        : [[high, "halves(x)"]];
  return /* wgsl */ `
fn put${operand}(line: u32, place: u32, x: Numbers) {
${stores.map(([to, value]) => store(to, operand, value, variant)).join("\n")}
}`;
}

function store(
  panelName: string,
  operand: Operand,
  value: string,
  { shape, vectorPanels }: MatrixVariant,
): string {
  if (vectorPanels) return `  ${panelName}[line * STRIDE_${operand} + place] = ${value};`;
  const halves = shape.componentType === "f16";
  const words = halves
    ? each(
        4,
        (e) => `    let pair${e} = bitcast<vec2<f16>>(words.${LANES[e]});
    ${panelName}[to + ${2 * e}u] = pair${e}.x;
    ${panelName}[to + ${2 * e + 1}u] = pair${e}.y;`,
      )
    : each(4, (e) => `    ${panelName}[to + ${e}u] = bitcast<f32>(words.${LANES[e]});`);
  return /* wgsl */ `  {
    let words = ${value};
    let to = line * STRIDE_${operand} + place * ${halves ? 8 : 4}u;
${words}
  }`;
}

/** `body` for each vector that an invocation has of a panel: `line` and `place` say where it lies there. */
export function eachVector(operand: Operand, variant: MatrixVariant, body: string): string {
  const lines = orientationOf(operand, variant) === "along" ? names[operand].tile : "TILE_K";
  return /* wgsl */ `
      for (var u = 0u; u < PART_${operand}; u++) {
        let i = local + u * WG;
        let line = i / LINE_${operand};
        let place = i % LINE_${operand};
        if (line < ${lines}) {
${body}
        }
      }`;
}

/** Reads a vector at `stage` to `raw`; nothing past the end of k, and rows outside as the last one. */
export function fetched(operand: Operand, variant: MatrixVariant, stage: string): string {
  const { begin, size } = names[operand];
  const vector = vectorOf(variant);
  const along = orientationOf(operand, variant) === "along";
  const sums = variant.group !== undefined && isSum(variant.group);
  const own = sums ? "(step - which * params.segment)" : "step";
  const [step, at, inside] = along
    ? [
        `${stage} + place * ${vector}u`,
        `min(${begin} + line, ${size} - 1u) * params.row${operand} + ${own}`,
        "step < end",
      ]
    : [
        `${stage} + line`,
        `${own} * params.row${operand} + ${begin} + place * ${vector}u`,
        `step < end && ${begin} + place * ${vector}u < ${size}`,
      ];
  return /* wgsl */ `
          let step = ${step};${sums ? "\n          which = step / params.segment;" : ""}
          var raw = Raw${operand}();
          if (${inside}) { raw = raw${operand}(matrix${operand} + ${at}); }`;
}

/** Elements of a vector at `stage` that are the operand's. */
export function countOf(operand: Operand, variant: MatrixVariant, stage: string): string {
  const { begin, size } = names[operand];
  const vector = vectorOf(variant);
  if (orientationOf(operand, variant) === "along") {
    return `end - min(end, ${stage} + place * ${vector}u)`;
  }
  return `select(0u, ${size} - min(${size}, ${begin} + place * ${vector}u), ${stage} + line < end)`;
}
