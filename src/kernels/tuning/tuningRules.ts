// Whether shapes read from a file are such that an adapter can run them: wrong ones would be errors in every kernel.

import type { AdapterFacts, SubgroupMatrixShape } from "../../tensor/wgsl.ts";
import { keysOf, queriesOf, type AttentionTiles, type TileShape } from "../attention/tileSizes.ts";
import {
  fits,
  usableShapes,
  type MatrixChoice,
  type MatrixTile,
  type MatrixTiles,
} from "../matmul/matrixTiles.ts";
import type { MatmulTiles, RowsShape, Tile } from "../matmul/tiles.ts";

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function areMatmulTiles(value: unknown, adapter: AdapterFacts): value is MatmulTiles {
  if (!isObject(value)) return false;
  const tiles = [value["large"], value["small"], value["tall"], value["wide"]];
  return (
    tiles.every((tile) => isTile(tile, adapter)) &&
    isRowsShape(value["rows"], adapter) &&
    isCount(value["groups"])
  );
}

function isTile(value: unknown, adapter: AdapterFacts): value is Tile {
  if (!isObject(value)) return false;
  const { staged, threads, block, tileK } = value;
  return (
    typeof staged === "boolean" &&
    isPair(threads) &&
    threads[0] * threads[1] <= adapter.workgroupInvocations &&
    isPair(block) &&
    block.every((n) => n % 4 === 0) &&
    isCount(tileK) &&
    tileK % 4 === 0
  );
}

function isRowsShape(value: unknown, adapter: AdapterFacts): value is RowsShape {
  if (!isObject(value)) return false;
  const { workgroup, slices, cols } = value;
  return (
    isPowerOfTwo(workgroup) &&
    workgroup <= adapter.workgroupInvocations &&
    isPowerOfTwo(slices) &&
    slices <= workgroup &&
    (cols === 1 || cols === 4)
  );
}

export function areMatrixTiles(value: unknown, adapter: AdapterFacts): value is MatrixTiles {
  if (!isObject(value)) return false;
  const { rounding, exact } = value;
  return [rounding, exact].every((choice) => choice === null || isChoice(choice, adapter));
}

function isChoice(value: unknown, adapter: AdapterFacts): value is MatrixChoice {
  if (!isObject(value) || !isObject(value["shape"])) return false;
  const shape = value["shape"];
  const offered = [...usableShapes(adapter, "f16"), ...usableShapes(adapter, "f32")].find(
    ({ componentType, m, n, k }) =>
      shape["componentType"] === componentType &&
      shape["m"] === m &&
      shape["n"] === n &&
      shape["k"] === k,
  );
  return (
    offered !== undefined &&
    [value["large"], value["small"]].every((tile) => isMatrixTile(tile, offered, adapter))
  );
}

function isMatrixTile(
  value: unknown,
  shape: SubgroupMatrixShape,
  adapter: AdapterFacts,
): value is MatrixTile {
  if (!isObject(value)) return false;
  const { shares, results, tileK } = value;
  return (
    isPair(shares) &&
    isPair(results) &&
    isCount(tileK) &&
    fits({ shares, results, tileK }, shape, adapter)
  );
}

export function areAttentionTiles(value: unknown, adapter: AdapterFacts): value is AttentionTiles {
  if (!isObject(value)) return false;
  const { registers, units } = value;
  return (
    areHeadTiles(registers, adapter, false) &&
    (units === null || areHeadTiles(units, adapter, true))
  );
}

/** Of a unit's results, so many queries and keys are the sides; unit shaders are written for one width of keys. */
const UNIT_QUERIES = 16;
const UNIT_KEYS = 32;

function areHeadTiles(value: unknown, adapter: AdapterFacts, onUnits: boolean): boolean {
  if (!isObject(value)) return false;
  return [value["query"], value["key"]].every(
    (shape) =>
      isTileShape(shape, adapter) &&
      (!onUnits || (queriesOf(shape) % UNIT_QUERIES === 0 && keysOf(shape) === UNIT_KEYS)),
  );
}

function isTileShape(value: unknown, adapter: AdapterFacts): value is TileShape {
  if (!isObject(value)) return false;
  const { KEY_LANES, QUERY_LANES, PER_LANE } = value;
  return (
    isPowerOfTwo(KEY_LANES) &&
    isPowerOfTwo(QUERY_LANES) &&
    isPowerOfTwo(PER_LANE) &&
    KEY_LANES * QUERY_LANES <= adapter.workgroupInvocations
  );
}

function isPair(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
}

function isPowerOfTwo(value: unknown): value is number {
  return isCount(value) && Number.isInteger(Math.log2(value));
}
