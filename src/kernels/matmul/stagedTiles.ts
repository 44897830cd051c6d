// Tiles by way of workgroup memory.

import { each } from "./operands.ts";
import {
  accumulators,
  findBlock,
  findTile,
  multiplyFour,
  stores,
  type TiledVariant,
} from "./tiledParts.ts";

/**
 * Panels of a and b as they lie in storage: vectors along k in rows of TILE_K / 4 and one more, so that invocations
 * reading neighbouring rows meet different banks; vectors across k in rows of a tile.
 */
export function stagedMain(variant: TiledVariant): string {
  const { rows, cols, transposeA, transposeB } = variant;
  return /* wgsl */ `
const ALONG = TILE_K / 4u + 1u;
const SHARE_A = (TILE_M * TILE_K / 4u + WG - 1u) / WG;
const SHARE_B = (TILE_N * TILE_K / 4u + WG - 1u) / WG;
var<workgroup> panelA: array<vec4<f32>, ${transposeA ? "TILE_K * (TILE_M / 4u)" : "TILE_M * ALONG"}>;
var<workgroup> panelB: array<vec4<f32>, ${transposeB ? "TILE_N * ALONG" : "TILE_K * (TILE_N / 4u)"}>;
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
${findTile}${findBlock}
${accumulators(variant)}
  var nextA: array<vec4<f32>, SHARE_A>;
  var nextB: array<vec4<f32>, SHARE_B>;
${fetch("A", transposeA, "begin")}
${fetch("B", transposeB, "begin")}
  // Every invocation of a group has the same begin and end, so the barriers are reached by all.
  for (var stage = begin; stage < end; stage += TILE_K) {
${put("A", transposeA)}
${put("B", transposeB)}
    workgroupBarrier();
    // What the next stage needs is under way while this one is computed.
${fetch("A", transposeA, "stage + TILE_K")}
${fetch("B", transposeB, "stage + TILE_K")}
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

/** An invocation's vectors of a panel: every WG-th of them. */
function vectors(operand: "A" | "B", u: string): string {
  return `for (var u = 0u; u < SHARE_${operand}; u++) {
      let i = local + u * WG;
      ${u}
    }`;
}

/** Reads an invocation's share of steps first..first + TILE_K of k, zero from `end` on. Rows outside are read as the last one. */
function fetch(operand: "A" | "B", transposed: boolean, first: string): string {
  const [load, size, tile, at] =
    operand === "A"
      ? ["readA4", "params.m", "TILE_M", "tileRow"]
      : ["readB4", "params.n", "TILE_N", "tileCol"];
  const along = operand === "A" ? !transposed : transposed;
  const read = along
    ? /* wgsl */ `let row = min(${at} + i / (TILE_K / 4u), ${size} - 1u);
      let d = ${first} + i % (TILE_K / 4u) * 4u;
      var values = vec4<f32>();
      if (d < end) { values = known(${load}(matrix${operand} + row * params.row${operand} + d), end - d); }`
    : /* wgsl */ `let d = ${first} + i / (${tile} / 4u);
      let column = min(${at} + i % (${tile} / 4u) * 4u, ${size} - LAST);
      var values = vec4<f32>();
      if (d < end) { values = ${load}(matrix${operand} + d * params.row${operand} + column); }`;
  return `    ${vectors(operand, `${read}\n      next${operand}[u] = values;`)}`;
}

/** Takes what was read to the panel. */
function put(operand: "A" | "B", transposed: boolean): string {
  const along = operand === "A" ? !transposed : transposed;
  const tile = operand === "A" ? "TILE_M" : "TILE_N";
  const place = along ? "i / (TILE_K / 4u) * ALONG + i % (TILE_K / 4u)" : "i";
  const store = `if (i < ${tile} * TILE_K / 4u) { panel${operand}[${place}] = next${operand}[u]; }`;
  return `    ${vectors(operand, store)}`;
}
