// Tiles straight from storage.

import { each, LANES } from "./operands.ts";
import {
  accumulators,
  colOf,
  findBlock,
  findTile,
  multiplyFour,
  rowOf,
  stores,
  type TiledVariant,
} from "./tiledParts.ts";

/**
 * Rows and columns outside the matrices are read as the last ones are and not stored, which keeps comparisons out
 * of the loop.
 */
export function directMain(variant: TiledVariant): string {
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
  return `${findTile}${findBlock}
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
