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
var<workgroup> panelA: array<vec4<f32>, ${transposeA ? "TILE_K * (TILE_M / 4u)" : "TILE_M * ALONG"}>;
var<workgroup> panelB: array<vec4<f32>, ${transposeB ? "TILE_N * ALONG" : "TILE_K * (TILE_N / 4u)"}>;
fn known(values: vec4<f32>, count: u32) -> vec4<f32> {
  return select(vec4<f32>(), values, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count));
}
${findTile}${findBlock}
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

/** Fills a panel with steps stage..stage + TILE_K of k, zero from `end` on. Rows outside are read as the last one. */
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
