// Which shaders a product runs, in which shape, in how many passes.

import type { WgslPass, WgslPlan } from "../../tensor/wgsl.ts";
import { addPartsShader } from "./addParts.ts";
import type { StoredB } from "./operands.ts";
import { piecesOf } from "./pieces.ts";
import { productOf, type MatmulCall, type Product } from "./product.ts";
import { rowsShader } from "./rowsShader.ts";
import { tiledShader } from "./tiledShader.ts";
import { tilesOf, type MatmulTiles, type RowsShape, type Tile } from "./tiles.ts";

/** Most rows of a product that goes by rows instead of by tiles. */
const FEW_ROWS = 8;
/** m or n up to here make a product wide or tall. */
const NARROW = 32;
/** Fewest steps of k that a split keeps. */
const SPLIT_STEPS = 256;
const MOST_SPLITS = 32;

export type Strategy =
  | { readonly kind: "tiles"; readonly tile: Tile; readonly splits: number }
  | { readonly kind: "rows"; readonly shape: RowsShape; readonly subgroups: boolean };

/** The plan of a call, for b stored as said. */
export function planProduct(call: MatmulCall, b: StoredB, choose = chooseStrategy): WgslPlan {
  const product = productOf(call, b);
  if (product.m * product.n * product.batches === 0) return { passes: [] };
  const tiles = tilesOf(call.adapter);
  const pieces = piecesOf(product, call);
  if (pieces === null) return passesOf(product, choose(product, tiles, call));
  return {
    passes: pieces.flatMap(({ product: part, ranges, params, constants }) => {
      const { passes } = passesOf(part, withoutSplits(choose(part, tiles, call)));
      return passes.map((pass) => ({
        ...pass,
        ranges,
        params: { ...pass.params, ...params },
        constants: { ...pass.constants, ...constants },
      }));
    }),
  };
}

/** Parts of a split are as large as c; where that is too large for a binding, k stays whole. */
function withoutSplits(strategy: Strategy): Strategy {
  return strategy.kind === "tiles" ? { ...strategy, splits: 1 } : strategy;
}

export function chooseStrategy(
  product: Product,
  tiles: MatmulTiles,
  { adapter }: MatmulCall,
): Strategy {
  if (product.m <= FEW_ROWS) {
    const subgroups =
      (adapter.subgroupSize?.min ?? 0) >= tiles.rows.slices && tiles.rows.slices > 1;
    return { kind: "rows", shape: tiles.rows, subgroups };
  }
  const tile = chooseTile(product, tiles);
  const splits = chooseSplits(product, groupsOf(product, tile), tiles.groups, adapter.bindingBytes);
  return { kind: "tiles", tile, splits };
}

function chooseTile(product: Product, tiles: MatmulTiles): Tile {
  if (product.n <= NARROW) return tiles.tall;
  if (product.m <= NARROW) return tiles.wide;
  return groupsOf(product, tiles.large) >= tiles.groups ? tiles.large : tiles.small;
}

function chooseSplits(
  { m, n, k, batches }: Product,
  groups: number,
  wanted: number,
  bindingBytes: number,
): number {
  const fitting = Math.floor(bindingBytes / (16 * Math.ceil((batches * m * n) / 4)));
  const useful = Math.min(Math.ceil(wanted / groups), Math.floor(k / SPLIT_STEPS), MOST_SPLITS);
  return Math.max(1, Math.min(useful, fitting));
}

function tilesAlong(size: number, tile: Tile, axis: 0 | 1): number {
  return Math.ceil(size / (tile.threads[axis] * tile.block[axis]));
}

/** Workgroups of a product without splits. */
function groupsOf({ m, n, batches }: Product, tile: Tile): number {
  return tilesAlong(m, tile, 0) * tilesAlong(n, tile, 1) * batches;
}

function passesOf(product: Product, strategy: Strategy): WgslPlan {
  if (strategy.kind === "rows") return { passes: [rowsPass(product, strategy)] };
  const { tile } = strategy;
  const chunk = Math.ceil(product.k / strategy.splits / tile.tileK) * tile.tileK;
  const splits = chunk === 0 ? 1 : Math.ceil(product.k / chunk);
  if (splits === 1) return { passes: [tiledPass(product, tile, null)] };
  const quads = Math.ceil((product.batches * product.m * product.n) / 4);
  return {
    temporaries: { parts: { type: "f32", size: splits * quads * 4 } },
    passes: [
      tiledPass(product, tile, { splits, chunk, partSize: quads * 4 }),
      { shader: addPartsShader, params: { splits, quads }, invocations: quads },
    ],
  };
}

function tiledPass(
  { m, n, k, batches, operands, places }: Product,
  tile: Tile,
  split: Readonly<Record<"splits" | "chunk" | "partSize", number>> | null,
): WgslPass {
  const [tileRows, tileCols] = [tilesAlong(m, tile, 0), tilesAlong(n, tile, 1)];
  const [rows, cols] = tile.block;
  const layers = batches * (split?.splits ?? 1);
  return {
    shader: tiledShader({ ...operands, rows, cols, staged: tile.staged, partial: split !== null }),
    constants: {
      THREAD_ROWS: tile.threads[0],
      THREAD_COLS: tile.threads[1],
      ...(tile.staged ? { TILE_K: tile.tileK } : {}),
    },
    workgroupSize: tile.threads[0] * tile.threads[1],
    params: {
      ...{ tileRows, tileCols, layers },
      ...{ chunk: split?.chunk ?? k, partSize: split?.partSize ?? 0 },
      ...places,
    },
    workgroups: tileRows * tileCols * layers,
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
