// Tiles by the adapter's matrix units (WGSL extension chromium_experimental_subgroup_matrix, as in Dawn's
// docs/dawn/features/subgroup_matrix.md), sums in f32.
//
// A tile of c is 64 by 64: four shares of 32 by 32, each a subgroup's. How many subgroups a workgroup has is known
// only when it runs, so they take shares round by round; where subgroups have 32 invocations there is one round.
// Whatever a barrier or a loop around one depends on is the same for the whole workgroup.

import type { AdapterFacts, SubgroupMatrixShape, WgslShader } from "../../tensor/wgsl.ts";
import { each, reading, snippetsOf, viewsOf, writing, type Operands } from "./operands.ts";
import { placeParams } from "./product.ts";
import { findTile, layerParams } from "./tiledParts.ts";

/** Rows and columns of a workgroup's tile, and of a subgroup's share of it. */
export const MATRIX_TILE = 64;
const SHARE = 32;
/** Steps of k in workgroup memory at once. */
export const MATRIX_TILE_K = 32;

export interface MatrixVariant extends Operands {
  readonly shape: SubgroupMatrixShape;
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
  const panels = 2 * MATRIX_TILE * (MATRIX_TILE_K + 8) * (componentType === "f16" ? 2 : 4);
  const fits = panels + 4 * (MATRIX_TILE / SHARE) ** 2 * m * n <= workgroupBytes;
  return fits && SHARE % m === 0 && SHARE % n === 0 && MATRIX_TILE_K % k === 0;
}

/** Invocations of a workgroup: as many as its shares need where subgroups have 32, in whole subgroups of any size. */
export function matrixWorkgroup({ subgroupSize }: AdapterFacts): number {
  const most = subgroupSize?.max ?? 32;
  return Math.ceil((32 * (MATRIX_TILE / SHARE) ** 2) / most) * most;
}

const made = new Map<string, WgslShader>();

/** The shader of a variant; the same object for equal variants. */
export function subgroupMatrixShader(variant: MatrixVariant): WgslShader {
  const { transposeA, transposeB, b, aligned, shape, partial } = variant;
  const { componentType, m, n, k } = shape;
  const key = [transposeA, transposeB, b, aligned, componentType, m, n, k, partial].join();
  let shader = made.get(key);
  if (shader === undefined) made.set(key, (shader = makeShader(variant)));
  return shader;
}

function makeShader(variant: MatrixVariant): WgslShader {
  const { shape, partial } = variant;
  const { componentType, m, n, k } = shape;
  const output = partial ? "parts" : "c";
  return {
    name: `matrix.${componentType}.${m}x${n}x${k}${partial ? ".partial" : ""}`,
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
      `const TILE_M = ${MATRIX_TILE}u;\nconst TILE_N = ${MATRIX_TILE}u;\nconst TILE_K = ${MATRIX_TILE_K}u;`,
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
  const [down, across] = [SHARE / m, SHARE / n];
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
const SHARES = ${(MATRIX_TILE / SHARE) ** 2}u;
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
    let shareRow = share / ${MATRIX_TILE / SHARE}u * ${SHARE}u;
    let shareCol = share % ${MATRIX_TILE / SHARE}u * ${SHARE}u;
${each(down, (i) => each(across, (j) => `    var c${i}_${j} = ${result}();`))}
    for (var stage = begin; stage < end; stage += TILE_K) {
${fill("A", !transposeA, componentType)}
${fill("B", transposeB, componentType)}
      workgroupBarrier();
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
${each(down, (i) => each(across, (j) => store(variant.shape, i, j)))}
  }
}`;
}

/** Stages a panel: steps stage..stage + TILE_K of k, zero from `end` on; rows outside are read as the last one. */
function fill(operand: "A" | "B", along: boolean, type: string): string {
  const [load, size, tile, at] =
    operand === "A"
      ? ["readA4", "params.m", "TILE_M", "tileRow"]
      : ["readB4", "params.n", "TILE_N", "tileCol"];
  const [quads, step, values] = along
    ? [
        "(TILE_K / 4u)",
        `let d = stage + column;
        let from4 = matrix${operand} + min(${at} + row, ${size} - 1u) * params.row${operand} + d;`,
        `known(${load}(from4), end - d)`,
      ]
    : [
        `(${tile} / 4u)`,
        `let d = stage + row;
        let from4 = matrix${operand} + d * params.row${operand} + min(${at} + column, ${size} - LAST);`,
        `${load}(from4)`,
      ];
  return /* wgsl */ `
      for (var i = local; i < ${along ? tile : "TILE_K"} * ${quads}; i += WG) {
        let row = i / ${quads};
        let column = i % ${quads} * 4u;
        ${step}
        var values = vec4<f32>();
        if (d < end) { values = ${values}; }
        let to = row * STRIDE_${operand} + column;
${each(4, (e) => `        panel${operand}[to + ${e}u] = ${type}(values[${e}]);`)}
      }`;
}

/** Takes matrix i, j of all shares of a round by way of workgroup memory to c, where it has rows and columns. */
function store({ m, n }: SubgroupMatrixShape, i: number, j: number): string {
  return /* wgsl */ `
    if (share < SHARES) {
      subgroupMatrixStore<row_major>(&results, subgroup * ${m * n}u, c${i}_${j}, ${n}u);
    }
    workgroupBarrier();
    for (var e = local; e < min(subgroups, SHARES - first) * ${m * n}u; e += WG) {
      let source = first + e / ${m * n}u;
      let row = tileRow + source / ${MATRIX_TILE / SHARE}u * ${SHARE}u + ${i * m}u + e % ${m * n}u / ${n}u;
      let col = tileCol + source % ${MATRIX_TILE / SHARE}u * ${SHARE}u + ${j * n}u + e % ${n}u;
      if (row < params.m && col < params.n) { put1(matrixC + row * params.rowC + col, results[e]); }
    }
    workgroupBarrier();`;
}
