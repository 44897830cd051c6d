// Which shaders a product runs, in which shape, in how many passes.

import type { AdapterFacts, WgslPass, WgslPlan, WgslTemporary } from "../../tensor/wgsl.ts";
import { addPartsShader } from "./addParts.ts";
import type { Operands } from "./operands.ts";
import { piecesOf } from "./pieces.ts";
import { productOf, type MatmulCall, type Product } from "./product.ts";
import { rowsShader } from "./rowsShader.ts";
import type { StoredB } from "./storedB.ts";
import { piecesOfOperands } from "./halfPieces.ts";
import { matrixPasses, partBytes, type MatrixStrategy } from "./matrixPasses.ts";
import { fits, matrixExtent, matrixTilesOf } from "./matrixTiles.ts";
import { tiledShader } from "./tiledShader.ts";
import { tilesOf, type MatmulTiles, type RowsShape, type Tile } from "./tiles.ts";

/** Most rows of a product that goes by rows instead of by tiles. */
const FEW_ROWS = 8;
/** m or n up to here make a product wide or tall. */
const NARROW = 32;
/** Fewest steps of k of a product on matrix units. */
const MATRIX_STEPS = 32;
/** Fewest steps of k that a split keeps. */
const SPLIT_STEPS = 256;
const MOST_SPLITS = 32;
/** k is split on matrix units where there are so many times fewer workgroups than the adapter wants. */
const FEWER_GROUPS = 4;

export type Strategy =
  | { readonly kind: "tiles"; readonly tile: Tile; readonly splits: number }
  | { readonly kind: "rows"; readonly shape: RowsShape; readonly subgroups: boolean }
  | MatrixStrategy;

type TileStrategy = Extract<Strategy, { readonly kind: "tiles" }>;

/** Chooses how a product runs. */
export type Choose = (product: Product, call: MatmulCall) => Strategy;

/** The plan of a call, for b stored as said. */
export function planProduct(call: MatmulCall, b: StoredB, choose: Choose): WgslPlan {
  const product = productOf(call, b);
  if (product.m * product.n * product.batches === 0) return { passes: [] };
  const pieces = piecesOf(product, call);
  const { adapter } = call;
  if (pieces === null) return passesOf(product, choose(product, call), adapter);
  const temporaries: Record<string, WgslTemporary> = {};
  const passes = pieces.flatMap(({ product: part, ranges, params, constants }) => {
    const plan = passesOf(part, withoutSplits(choose(part, call)), adapter);
    // One piece follows another, so all have the temporaries of the largest.
    for (const [name, { type, size }] of Object.entries(plan.temporaries ?? {})) {
      temporaries[name] = { type, size: Math.max(size, temporaries[name]?.size ?? 0) };
    }
    return plan.passes.map((pass) => ({
      ...pass,
      ranges,
      params: { ...params, ...pass.params },
      constants: { ...pass.constants, ...constants },
    }));
  });
  return { passes, temporaries };
}

/** Parts of a split are as large as c; where that is too large for a binding, k stays whole. */
function withoutSplits(strategy: Strategy): Strategy {
  return strategy.kind === "rows" ? strategy : { ...strategy, splits: 1 };
}

/** Products of f32 and sums in f32; on units that take f16, of f32 operands in two halves each. */
export const chooseStrategy: Choose = (product, { adapter }) => choose(product, adapter, false);

/** Lets matrix units round the operands to 11 bits, where the adapter has them. */
export const chooseRoundingStrategy: Choose = (product, { adapter }) =>
  choose(product, adapter, true);

function choose(product: Product, adapter: AdapterFacts, rounds: boolean): Strategy {
  const tiles = tilesOf(adapter);
  if (product.m <= FEW_ROWS) {
    const subgroups =
      (adapter.subgroupSize?.min ?? 0) >= tiles.rows.slices && tiles.rows.slices > 1;
    return { kind: "rows", shape: tiles.rows, subgroups };
  }
  const onUnits = chooseMatrices(product, adapter, rounds);
  if (onUnits) return onUnits;
  const tile = chooseTile(product, tiles);
  const groups = groupsOf(product, extentOf(tile));
  return {
    kind: "tiles",
    tile,
    splits: chooseSplits(product, groups, tiles.groups, adapter.bindingBytes),
  };
}

function chooseTile(product: Product, tiles: MatmulTiles): Tile {
  if (product.n <= NARROW) return tiles.tall;
  if (product.m <= NARROW) return tiles.wide;
  return groupsOf(product, extentOf(tiles.large)) >= tiles.groups ? tiles.large : tiles.small;
}

/** The strategy of a product on matrix units; null where the adapter has none or is faster without, or the product is too small or too large. */
export function chooseMatrices(
  product: Product,
  adapter: AdapterFacts,
  rounds: boolean,
): MatrixStrategy | null {
  if (product.m < NARROW || product.n < NARROW || product.k < MATRIX_STEPS) return null;
  const choice = matrixTilesOf(adapter, rounds);
  if (choice === null) return null;
  const { groups: wanted } = tilesOf(adapter);
  const { shape, large, small } = choice;
  const pieces = piecesOfOperands(product.operands, rounds, shape);
  const isLarge =
    fits(large, shape, adapter, pieces) && groupsOf(product, matrixExtent(large, shape)) >= wanted;
  const tile = isLarge ? large : small;
  if (!fits(tile, shape, adapter, pieces)) return null;
  const groups = groupsOf(product, matrixExtent(tile, shape));
  const fitting = Math.floor(adapter.bindingBytes / partBytes(product, { shape, tile }));
  // Parts are added up by another dispatch, which costs what a fourth of the adapter gains.
  const isIdle = groups * FEWER_GROUPS < wanted;
  const splits = isIdle ? Math.min(splitsOf(product, groups, wanted), fitting) : 1;
  return { kind: "matrices", shape, tile, pieces, splits: Math.max(1, splits) };
}

function chooseSplits(
  { m, n, k, batches }: Product,
  groups: number,
  wanted: number,
  bindingBytes: number,
): number {
  const fitting = Math.floor(bindingBytes / (16 * Math.ceil((batches * m * n) / 4)));
  return Math.max(1, Math.min(splitsOf({ k }, groups, wanted), fitting));
}

/** Splits of k that give the adapter the workgroups it wants. */
function splitsOf({ k }: Pick<Product, "k">, groups: number, wanted: number): number {
  return Math.min(Math.ceil(wanted / groups), Math.floor(k / SPLIT_STEPS), MOST_SPLITS);
}

/** Rows and columns of c that a workgroup computes. */
type Extent = readonly [rows: number, cols: number];

function extentOf({ threads, block }: Tile): Extent {
  return [threads[0] * block[0], threads[1] * block[1]];
}

/** Workgroups of a product without splits. */
function groupsOf({ m, n, batches }: Product, [rows, cols]: Extent): number {
  return Math.ceil(m / rows) * Math.ceil(n / cols) * batches;
}

function passesOf(product: Product, strategy: Strategy, adapter: AdapterFacts): WgslPlan {
  if (strategy.kind === "matrices") return matrixPasses(product, strategy, adapter);
  if (strategy.kind === "rows") return { passes: [rowsPass(product, strategy)] };
  const { m, n, k, batches } = product;
  const step = strategy.tile.tileK;
  const chunk = Math.ceil(k / strategy.splits / step) * step;
  const splits = chunk === 0 ? 1 : Math.ceil(k / chunk);
  if (splits === 1) return { passes: [tilePass(product, strategy, null)] };
  const quads = Math.ceil((batches * m * n) / 4);
  return {
    temporaries: { parts: { type: "f32", size: splits * quads * 4 } },
    passes: [
      tilePass(product, strategy, { splits, chunk, partSize: quads * 4 }),
      { shader: addPartsShader, params: { splits, quads }, invocations: quads },
    ],
  };
}

function tilePass(
  product: Product,
  strategy: TileStrategy,
  split: Readonly<Record<"splits" | "chunk" | "partSize", number>> | null,
): WgslPass {
  const { m, n, k, batches, operands, places } = product;
  const extent = extentOf(strategy.tile);
  const [tileRows, tileCols] = [Math.ceil(m / extent[0]), Math.ceil(n / extent[1])];
  const layers = batches * (split?.splits ?? 1);
  return {
    ...shaderOf(operands, strategy, split !== null),
    params: {
      ...{ tileRows, tileCols, layers },
      ...{ chunk: split?.chunk ?? k, partSize: split?.partSize ?? 0 },
      ...places,
    },
    workgroups: tileRows * tileCols * layers,
  };
}

function shaderOf(
  operands: Operands,
  strategy: TileStrategy,
  partial: boolean,
): Pick<WgslPass, "shader" | "constants" | "workgroupSize"> {
  const { threads, block, staged, tileK } = strategy.tile;
  const [rows, cols] = block;
  return {
    shader: tiledShader({ ...operands, rows, cols, staged, partial }),
    constants: {
      THREAD_ROWS: threads[0],
      THREAD_COLS: threads[1],
      ...(staged ? { TILE_K: tileK } : {}),
    },
    workgroupSize: threads[0] * threads[1],
  };
}

function rowsPass(
  { m, n, batches, operands, places }: Product,
  { shape, subgroups }: Extract<Strategy, { kind: "rows" }>,
): WgslPass {
  const rows = m === 1 ? 1 : m <= 4 ? 4 : 8;
  // More sums than that would not stay in registers.
  const cols = rows === 1 ? shape.cols : 1;
  const perInvocation = operands.transposeB ? cols : 4;
  const groupCols = Math.ceil(n / ((shape.workgroup / shape.slices) * perInvocation));
  const isShuffled = subgroups && operands.transposeB;
  return {
    shader: rowsShader({ ...operands, rows, cols, subgroups: isShuffled }),
    constants: { SLICES: shape.slices },
    workgroupSize: shape.workgroup,
    params: { groupCols, layers: batches, ...places },
    workgroups: groupCols * batches,
  };
}
