// Which tiles an attention shader works in: their shapes, and the constants that follow for a head dimension.

import type { AdapterFacts, SubgroupMatrixShape, WgslPass } from "../../tensor/wgsl.ts";
import type { HeadShaders } from "./headSnippets.ts";
import { UNIT_LANES, UNIT_PADDING } from "./unitSnippets.ts";

/** Constants of every attention shader. */
export const tileConstants = {
  KEY_LANES: "u32",
  QUERY_LANES: "u32",
  PER_LANE: "u32",
  /** Vectors of a head in the tiles at a time. */
  CHUNK: "u32",
  /** Rows of values (or of queries) in a tile at a time, when weights meet them. */
  STEP: "u32",
  /** Vectors of the result that an invocation has of each of its rows. */
  COLUMNS: "u32",
  /** Vectors in the tiles of queries and of keys. */
  QUERY_TILE: "u32",
  KEY_TILE: "u32",
} as const;

export type TileConstants = Readonly<Record<keyof typeof tileConstants, number>>;

/** How a workgroup's invocations lie over a tile of scores. */
export interface TileShape {
  readonly KEY_LANES: number;
  readonly QUERY_LANES: number;
  readonly PER_LANE: number;
}

/** More vectors of a head in the tiles save few barriers and cost workgroups that a core could hold. */
const MOST_CHUNK = 8;
/** Vectors of a result's row that an invocation holds; wider heads are divided among workgroups. */
const MOST_COLUMNS = 4;

/**
 * Shapes of tiles whose rows of queries a workgroup owns, as for y and dq; the first is for few queries. Two rows a lane and
 * twice the lanes beat four rows: on an H200 1.9 times (y) and 1.4 times (dq), docs/internals/measurements/webgpu.md.
 */
const queryTiles: readonly TileShape[] = [
  { KEY_LANES: 8, QUERY_LANES: 8, PER_LANE: 1 },
  { KEY_LANES: 8, QUERY_LANES: 16, PER_LANE: 2 },
  { KEY_LANES: 8, QUERY_LANES: 32, PER_LANE: 2 },
];

/** Shapes of tiles whose keys a workgroup owns, as for dk and dv. Here, too, two rows a lane: two sums of 4 keys take 8 vectors for each column. */
const keyTiles: readonly TileShape[] = [
  { KEY_LANES: 8, QUERY_LANES: 16, PER_LANE: 2 },
  { KEY_LANES: 16, QUERY_LANES: 16, PER_LANE: 2 },
];

/**
 * Where a CPU plays the GPU, a workgroup is what one vector of the CPU's computes: barriers between more invocations cost
 * more than the reads they save. Rows that an invocation computes one after another share what it reads.
 */
const softwareQueryTiles: readonly TileShape[] = [
  { KEY_LANES: 4, QUERY_LANES: 1, PER_LANE: 4 },
  { KEY_LANES: 4, QUERY_LANES: 1, PER_LANE: 16 },
  { KEY_LANES: 4, QUERY_LANES: 1, PER_LANE: 32 },
];
const softwareKeyTiles: readonly TileShape[] = [{ KEY_LANES: 4, QUERY_LANES: 1, PER_LANE: 8 }];
/** On matrix units: tiles of at least 16 by 16 and 32 keys wide, whoever plays the GPU. */
const unitQueryTiles: readonly TileShape[] = [
  { KEY_LANES: UNIT_LANES, QUERY_LANES: 16, PER_LANE: 2 },
  { KEY_LANES: UNIT_LANES, QUERY_LANES: 32, PER_LANE: 2 },
];
const unitKeyTiles: readonly TileShape[] = [
  { KEY_LANES: UNIT_LANES, QUERY_LANES: 16, PER_LANE: 2 },
];

/** The largest tiles of an attention: those of queries and those of keys. */
export interface HeadTiles {
  readonly query: TileShape;
  readonly key: TileShape;
}

/** Measured tiles. */
export interface AttentionTiles {
  readonly registers: HeadTiles;
  /** Where products may round: null where registers are faster than units, or there are no units. */
  readonly units: HeadTiles | null;
}

const measured = new Map<string, AttentionTiles>();

/** Puts measured tiles in the table's place for adapters of that name; null takes them back. */
export function setAttentionTiles(adapterName: string, tiles: AttentionTiles | null): void {
  if (tiles) measured.set(adapterName, tiles);
  else measured.delete(adapterName);
}

/** What was measured on an adapter; null for the table. */
export function measuredAttention({ name }: AdapterFacts): AttentionTiles | null {
  return measured.get(name) ?? null;
}

/** The largest tiles of the table. */
export function defaultHeadTiles({ software }: AdapterFacts, onUnits: boolean): HeadTiles {
  const [query, key] = tables(software, onUnits);
  return { query: query.at(-1)!, key: key.at(-1)! };
}

/** Tiles of queries and of keys, the largest last. */
function tables(
  software: boolean,
  onUnits: boolean,
): readonly [readonly TileShape[], readonly TileShape[]] {
  if (onUnits) return [unitQueryTiles, unitKeyTiles];
  return software ? [softwareQueryTiles, softwareKeyTiles] : [queryTiles, keyTiles];
}

/** The table's tiles, the largest as measured. */
function shapesOf(
  adapter: AdapterFacts,
  onUnits: boolean,
  kind: "query" | "key",
): readonly TileShape[] {
  const [query, key] = tables(adapter.software, onUnits);
  const shapes = kind === "query" ? query : key;
  const tiles = measured.get(adapter.name)?.[onUnits ? "units" : "registers"];
  return tiles ? [...shapes.slice(0, -1), tiles[kind]] : shapes;
}

/** Its results lie in memory, not in registers, and to divide them would be to compute the scores again. */
const MOST_COLUMNS_IN_SOFTWARE = 16;

export interface TilePlan {
  readonly constants: TileConstants;
  /** Workgroups that divide the columns of a result among them. */
  readonly columnBlocks: number;
  readonly workgroupSize: number;
  /** Bytes of workgroup memory. */
  readonly bytes: number;
}

/**
 * The constants for a head dimension.
 * @param across lanes that the columns of the result lie over
 * @param mostColumns vectors of a result's row that an invocation holds
 */
export function planTile(
  shape: TileShape,
  headDim: number,
  across: "KEY_LANES" | "QUERY_LANES",
  mostColumns = MOST_COLUMNS,
): TilePlan {
  const { KEY_LANES, QUERY_LANES, PER_LANE } = shape;
  const vectors = Math.max(1, Math.ceil(headDim / 4));
  const CHUNK = Math.min(MOST_CHUNK, 2 ** Math.ceil(Math.log2(vectors)));
  const COLUMNS = Math.min(mostColumns, Math.ceil(vectors / shape[across]));
  const rows = QUERY_LANES * PER_LANE;
  const keys = 4 * KEY_LANES;
  const [queryTile, keyTile] = [rows * CHUNK, keys * (CHUNK | 1)];
  // As many rows as the tile holds anyway, and at least the four that meet one vector of weights.
  const [tile, length] = across === "KEY_LANES" ? [keyTile, keys] : [queryTile, rows];
  const stepWidth = COLUMNS * shape[across];
  const fitting = 2 ** Math.floor(Math.log2(tile / stepWidth));
  const STEP = Math.min(length, Math.max(4, fitting));
  const QUERY_TILE = across === "KEY_LANES" ? queryTile : Math.max(queryTile, STEP * stepWidth);
  const KEY_TILE = across === "KEY_LANES" ? Math.max(keyTile, STEP * stepWidth) : keyTile;
  return {
    constants: { ...shape, CHUNK, STEP, COLUMNS, QUERY_TILE, KEY_TILE },
    columnBlocks: Math.ceil(vectors / stepWidth),
    workgroupSize: KEY_LANES * QUERY_LANES,
    // The forward pass has a number for each query and lane beside the tiles.
    bytes: 16 * (QUERY_TILE + KEY_TILE + rows * KEY_LANES) + 4 * rows * KEY_LANES,
  };
}

/**
 * The constants on matrix units (unitSnippets.ts). There STEP is the length of a row of the right panel, KEY_TILE the panel's
 * elements and QUERY_TILE those of the sums.
 */
function planUnitTile(
  shape: TileShape,
  headDim: number,
  across: "KEY_LANES" | "QUERY_LANES",
): TilePlan {
  const plan = planTile(shape, headDim, across);
  const { QUERY_LANES, KEY_LANES } = shape;
  const [rows, keys] = [queriesOf(shape), keysOf(shape)];
  const width = across === "KEY_LANES" ? keys : Math.max(keys, 4 * QUERY_LANES);
  const STEP = width + UNIT_PADDING;
  const KEY_TILE = (across === "KEY_LANES" ? keys : Math.max(rows, keys)) * STEP;
  const QUERY_TILE = across === "KEY_LANES" ? rows * keys : Math.max(rows * keys, keys * width);
  return {
    ...plan,
    constants: { ...plan.constants, STEP, KEY_TILE, QUERY_TILE },
    bytes:
      2 * (rows * (keys + UNIT_PADDING) + KEY_TILE) +
      4 * QUERY_TILE +
      8 * plan.workgroupSize +
      4 * rows * KEY_LANES,
  };
}

/** The smallest tile that holds all queries, or the largest that the adapter has memory for. */
export function planQueryTile(
  { queries, headDim }: { readonly queries: number; readonly headDim: number },
  adapter: AdapterFacts,
  units: SubgroupMatrixShape | null = null,
): TilePlan {
  const { workgroupBytes } = adapter;
  const plans = shapesOf(adapter, units !== null, "query").map((shape) =>
    (units ? planUnitTile : planTile)(shape, headDim, "KEY_LANES"),
  );
  const fitting = plans.filter(({ bytes }) => bytes <= workgroupBytes);
  const enough = fitting.find(({ constants }) => queriesOf(constants) >= queries);
  return enough ?? fitting.at(-1) ?? plans[0]!;
}

/** As planQueryTile, for workgroups that own keys. */
export function planKeyTile(
  { keys, headDim }: { readonly keys: number; readonly headDim: number },
  adapter: AdapterFacts,
  units: SubgroupMatrixShape | null = null,
): TilePlan {
  const { software, workgroupBytes } = adapter;
  const shapes = shapesOf(adapter, units !== null, "key");
  const most = software ? MOST_COLUMNS_IN_SOFTWARE : MOST_COLUMNS;
  const plans = shapes.map((shape) =>
    units
      ? planUnitTile(shape, headDim, "QUERY_LANES")
      : planTile(shape, headDim, "QUERY_LANES", most),
  );
  const fitting = plans.filter(({ bytes }) => bytes <= workgroupBytes);
  const enough = fitting.find(({ constants }) => keysOf(constants) >= keys);
  return enough ?? fitting.at(-1) ?? plans[0]!;
}

export function keysOf({ KEY_LANES }: TileShape): number {
  return 4 * KEY_LANES;
}

export function queriesOf({ QUERY_LANES, PER_LANE }: TileShape): number {
  return QUERY_LANES * PER_LANE;
}

/** The pass of a shader over `blocks` workgroups for each block of columns. */
export function tilePass(
  { vector, scalar }: HeadShaders,
  { constants, columnBlocks, workgroupSize }: TilePlan,
  headDim: number,
  blocks: number,
): WgslPass {
  const shader = headDim % 4 === 0 ? vector : scalar;
  const workgroups = blocks * columnBlocks;
  return { shader, constants, workgroupSize, workgroups, params: { columnBlocks } };
}
