// The passes of a product on matrix units: planes of its operands, their product, and the sum of its parts where k is split.

import type { AdapterFacts, SubgroupMatrixShape, WgslPlan } from "../../tensor/wgsl.ts";
import { addMatrixPartsShader } from "./addParts.ts";
import { planesLayout, planesPass, type Planes } from "./halfPlanes.ts";
import { matrixShader, type MatrixVariant } from "./matrixShader.ts";
import {
  elementBytes,
  matrixExtent,
  matrixWorkgroup,
  resultBuffer,
  type MatrixTile,
} from "./matrixTiles.ts";
import type { Product } from "./product.ts";

export interface MatrixStrategy {
  readonly kind: "matrices";
  readonly shape: SubgroupMatrixShape;
  readonly tile: MatrixTile;
  readonly planes: Planes;
  readonly splits: number;
}

/** Whether the temporaries of a product are small enough to be bound. */
export function planesFit(
  product: Product,
  { shape, tile, planes }: Pick<MatrixStrategy, "shape" | "tile" | "planes">,
  { bindingBytes }: AdapterFacts,
): boolean {
  const { planeA, planeB } = planesLayout(product, tile.tileK);
  const largest = Math.max(planes.a * planeA, planes.b * planeB);
  return largest * elementBytes(shape) <= bindingBytes;
}

/** Bytes of the parts of a product whose k is split. */
export function partBytes(
  { m, n, batches }: Product,
  { shape, tile }: Pick<MatrixStrategy, "shape" | "tile">,
): number {
  const [rows, cols] = matrixExtent(tile, shape);
  return 4 * batches * Math.ceil(m / rows) * rows * Math.ceil(n / cols) * cols;
}

export function matrixPasses(
  product: Product,
  { shape, tile, planes, splits: wanted }: MatrixStrategy,
  adapter: AdapterFacts,
): WgslPlan {
  const { m, n, batches, places } = product;
  const component = elementBytes(shape) === 2 ? "f16" : "f32";
  const layout = planesLayout(product, tile.tileK);
  const { rowLength, planeA, planeB } = layout;
  const [rows, cols] = matrixExtent(tile, shape);
  const [tileRows, tileCols] = [Math.ceil(m / rows), Math.ceil(n / cols)];
  const k = planes.terms * rowLength;
  const chunk = Math.ceil(k / wanted / tile.tileK) * tile.tileK;
  const splits = Math.ceil(k / chunk);
  const alignedC = places.rowC % 4 === 0 && n % 4 === 0;
  const variant: MatrixVariant = {
    ...{ shape, tile, partial: splits > 1, alignedC: splits === 1 && alignedC },
    resultsAcross: splits > 1 ? 1 : resultBuffer(tile, shape, adapter.workgroupBytes)!.across,
    vectorPanels: !/apple/i.test(adapter.vendor),
  };
  const words = (elements: number): number => (elements * elementBytes(shape)) / 4;
  const layers = batches * splits;
  const [partRows, partCols] = [tileRows * rows, tileCols * cols];
  const multiply = {
    shader: matrixShader(variant),
    // The planes are the same for all transposes, and so is the shader.
    constants: { TRANSPOSE_A: 0, TRANSPOSE_B: 0, ...(splits > 1 ? { ACCUMULATE: 0 } : {}) },
    params: {
      ...{ tileRows, tileCols, layers, chunk, partSize: 0, rowLength, planeA, planeB },
      ...{ lowA: planes.lowA, lowB: planes.lowB },
      // Where the operands lie is now where their planes lie.
      ...{ k, a0: 0, a1: 0, a2: 0, a3: m * rowLength, b0: 0, b1: 0, b2: 0, b3: n * rowLength },
      ...{ batch0: 1, batch1: 1, batch2: 1, batch3: batches },
      ...{ startA: 0, startB: 0, startC: places.startC },
      ...{ rowA: rowLength, rowB: rowLength, rowC: places.rowC },
    },
    workgroupSize: matrixWorkgroup(tile, adapter),
    workgroups: tileRows * tileCols * layers,
  };
  const add = {
    shader: addMatrixPartsShader({ scaled: component === "f16", aligned: alignedC }),
    params: { splits, partRows, partCols, batches },
    invocations: (batches * m * n) / (alignedC ? 4 : 1),
  };
  return {
    temporaries: {
      planesA: { type: "u32", size: words(planes.a * planeA) },
      planesB: { type: "u32", size: words(planes.b * planeB) },
      ...(component === "f16" ? { exponents: { type: "i32", size: batches * (m + n) } } : {}),
      ...(splits > 1 ? { parts: { type: "f32", size: layers * partRows * partCols } } : {}),
    },
    passes: [
      planesPass(product, planes, component, layout, adapter.software),
      multiply,
      ...(splits > 1 ? [add] : []),
    ],
  };
}
