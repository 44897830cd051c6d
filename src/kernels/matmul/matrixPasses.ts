// The passes of a product on matrix units: one, and the sum of its parts where k is split.

import type { AdapterFacts, SubgroupMatrixShape, WgslPlan } from "../../tensor/wgsl.ts";
import { addMatrixPartsShader } from "./addParts.ts";
import type { Pieces } from "./halfPieces.ts";
import { isSum, type Group } from "./groupBindings.ts";
import { matrixShader } from "./matrixShader.ts";
import { matrixExtent, matrixWorkgroup, resultBuffer, type MatrixTile } from "./matrixTiles.ts";
import type { MatrixVariant } from "./matrixVariant.ts";
import type { Product } from "./product.ts";

export interface MatrixStrategy {
  readonly kind: "matrices";
  readonly shape: SubgroupMatrixShape;
  readonly tile: MatrixTile;
  readonly pieces: Pieces;
  readonly splits: number;
}

/** Bytes of the parts of a product whose k is split. */
export function partBytes(
  { m, n, batches }: Product,
  { shape, tile }: Pick<MatrixStrategy, "shape" | "tile">,
): number {
  const [rows, cols] = matrixExtent(tile, shape);
  return 4 * batches * Math.ceil(m / rows) * rows * Math.ceil(n / cols) * cols;
}

/** @param group of several products: `product` has their layers, or the whole k of their sum */
export function matrixPasses(
  product: Product,
  { shape, tile, pieces, splits: wanted }: MatrixStrategy,
  adapter: AdapterFacts,
  group?: Group,
): WgslPlan {
  const { m, n, k, batches, operands, places } = product;
  const [rows, cols] = matrixExtent(tile, shape);
  const [tileRows, tileCols] = [Math.ceil(m / rows), Math.ceil(n / cols)];
  const chunk = Math.ceil(k / wanted / tile.tileK) * tile.tileK;
  const splits = Math.ceil(k / chunk);
  const partial = splits > 1;
  const variant: MatrixVariant = {
    ...{ operands, pieces, shape, tile, partial },
    alignedC: !partial && places.rowC % 4 === 0 && places.startC % 4 === 0,
    resultsAcross: resultBuffer(tile, shape, adapter.workgroupBytes, pieces)!.across,
    vectorPanels: !/apple/i.test(adapter.vendor),
    ...(group ? { group } : {}),
  };
  const layers = batches * splits;
  const [partRows, partCols] = [tileRows * rows, tileCols * cols];
  const multiply = {
    shader: matrixShader(variant),
    ...(partial ? { constants: { ACCUMULATE: 0 } } : {}),
    params: {
      ...{ tileRows, tileCols, layers, chunk, partSize: 0 },
      ...places,
      ...(group ? { k, batch0: batches, segment: isSum(group) ? k / group.a : k } : {}),
    },
    workgroupSize: matrixWorkgroup(tile, adapter),
    workgroups: tileRows * tileCols * layers,
  };
  if (!partial) return { passes: [multiply] };
  const aligned = places.rowC % 4 === 0 && n % 4 === 0;
  const add = {
    shader: addMatrixPartsShader({ aligned }),
    params: { splits, partRows, partCols, batches },
    invocations: (batches * m * n) / (aligned ? 4 : 1),
  };
  return {
    temporaries: { parts: { type: "f32", size: layers * partRows * partCols } },
    passes: [multiply, add],
  };
}
