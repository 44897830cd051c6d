// How sums on matrix units reach c, or the parts of a product whose k is split. Where one power of two scales a whole tile, the
// units store full tiles themselves. Edges, sums that are added to c, and rows with powers of two of their own pass through a
// small buffer of workgroup memory, a row of results at a time.

import { bindingOf } from "./groupBindings.ts";
import { choice } from "./groupShader.ts";
import type { MatrixVariant } from "./matrixVariant.ts";
import { each } from "./operands.ts";

/** The buffer is read before it is written again. */
const BEFORE_NEXT = "\n    workgroupBarrier();\n";

/** Whether the units store whole tiles. */
function storesDirectly({ pieces, partial, alignedC }: MatrixVariant): boolean {
  return pieces.scaling !== "rows" && (partial || alignedC);
}

/** Whether some sums pass through the buffer. */
function usesBuffer(variant: MatrixVariant): boolean {
  return !(variant.partial && storesDirectly(variant));
}

/** The buffer, where there is one. */
export function resultsArray(variant: MatrixVariant): string {
  const { shape, resultsAcross } = variant;
  if (!usesBuffer(variant)) return "";
  return /* wgsl */ `
var<workgroup> results: array<f32, SHARES * ${shape.m * resultsAcross * shape.n}u>;`;
}

/** From c<i>_<j> of all shares of a round to c or parts. */
export function stores(variant: MatrixVariant): string {
  const { tile, resultsAcross, partial, pieces } = variant;
  const [down, across] = tile.results;
  const scaled = pieces.scaling === "tile" ? descaleAll(variant) : "";
  const direct = storesDirectly(variant) ? storeAll(variant) : "";
  if (!usesBuffer(variant)) return scaled + direct;
  const buffered = each(
    down,
    (i) => each(across / resultsAcross, (part) => storeRow(variant, i, part), BEFORE_NEXT),
    BEFORE_NEXT,
  );
  if (direct === "") return scaled + buffered;
  const isFull = "tileRow + TILE_M <= params.m && tileCol + TILE_N <= params.n";
  return `${scaled}
    if (${partial ? "" : "ACCUMULATE == 0u && "}${isFull}) {
${direct}
    } else {
${buffered}
    }`;
}

/** Takes the tile's power of two back. */
function descaleAll({ tile }: MatrixVariant): string {
  const [down, across] = tile.results;
  return /* wgsl */ `
    let back = -(exponents.x + exponents.y);
    let halfBack = powerOfTwo(back / 2);
    let otherBack = powerOfTwo(back - back / 2);
${each(down, (i) =>
  each(
    across,
    (j) =>
      `    c${i}_${j} = subgroupMatrixScalarMultiply(subgroupMatrixScalarMultiply(c${i}_${j}, halfBack), otherBack);`,
  ),
)}`;
}

/** Where a tile begins in the output, and how long its rows are. */
const outputs = {
  c: {
    at: "matrixC + (tileRow + shareRow) * params.rowC + tileCol + shareCol",
    stride: "params.rowC",
  },
  // Parts are whole tiles: nothing lies outside.
  parts: {
    at: "(layer * params.tileRows * TILE_M + tileRow + shareRow) * params.tileCols * TILE_N + tileCol + shareCol",
    stride: "params.tileCols * TILE_N",
  },
} as const;

function storeAll({ shape: { m, n }, tile, partial, group }: MatrixVariant): string {
  const [down, across] = tile.results;
  const storeTo = (output: string): string =>
    each(down, (i) =>
      each(
        across,
        (j) =>
          `      subgroupMatrixStore<row_major>(&${output}, to + ${i * m}u * stride + ${j * n}u, c${i}_${j}, stride);`,
      ),
    );
  const outputCount = group?.c ?? 1;
  const name = partial ? "parts" : "c";
  const { at, stride } = outputs[name];
  return /* wgsl */ `
    if (share < SHARES) {
      let stride = ${stride};
      let to = ${at};
${outputCount === 1 ? storeTo(name) : choice(outputCount, (i) => `\n${storeTo(bindingOf("c", i))}`)}
    }`;
}

/** Takes a part of a row of results of all shares of a round by way of workgroup memory to where it has rows and columns. */
function storeRow(variant: MatrixVariant, i: number, part: number): string {
  const { shape, tile, resultsAcross, partial, pieces, group } = variant;
  const { m, n } = shape;
  const [down, across] = tile.results;
  const width = resultsAcross * n;
  const value =
    pieces.scaling === "rows"
      ? "timesPowerOfTwo(results[e], -(exponentAt(row) + exponentAt(TILE_M + col)))"
      : "results[e]";
  const write = partial
    ? `parts[(layer * params.tileRows * TILE_M + tileRow + row) * params.tileCols * TILE_N + tileCol + col] = ${value};`
    : /* wgsl */ `if (tileRow + row < params.m && tileCol + col < params.n) {
        let value = ${value};
        let to = matrixC + (tileRow + row) * params.rowC + tileCol + col;
        ${group && group.c > 1 ? "putC(to, value);" : "if (ACCUMULATE == 1u) { c[to] += value; } else { c[to] = value; }"}
      }`;
  return /* wgsl */ `
    if (share < SHARES) {
${each(resultsAcross, (j) => `      subgroupMatrixStore<row_major>(&results, subgroup * ${m * width}u + ${j * n}u, c${i}_${part * resultsAcross + j}, ${width}u);`)}
    }
    workgroupBarrier();
    for (var e = local; e < min(subgroups, SHARES - first) * ${m * width}u; e += WG) {
      let source = first + e / ${m * width}u;
      let row = source / ${tile.shares[1]}u * ${down * m}u + ${i * m}u + e % ${m * width}u / ${width}u;
      let col = source % ${tile.shares[1]}u * ${across * n}u + ${part * width}u + e % ${width}u;
      ${write}
    }`;
}
