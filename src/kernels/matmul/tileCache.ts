// Tiles that `gradloom devices --tune` measured, kept by adapter in the user's cache folder. Node only: pages use the
// tables of tiles.ts.

import { files } from "../../tensor/files/files.ts";
import { dirname, join } from "../../tensor/files/paths.ts";
import { homeFolder } from "../../tensor/host.ts";
import { isNode } from "../../tensor/runtime.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import { setTiles, type MatmulTiles, type RowsShape, type Tile } from "./tiles.ts";

type Entries = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Entries {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function cacheFile(): string {
  const folder = process.env["XDG_CACHE_HOME"] || join(homeFolder(), ".cache");
  return join(folder, "gradloom", "matmul-tiles.json");
}

/** All entries; none where there is no file, or none that can be read: it can be measured again. */
async function readEntries(path: string): Promise<Entries> {
  try {
    const entries: unknown = JSON.parse(await files.readText(path));
    return isObject(entries) ? entries : {};
  } catch {
    return {};
  }
}

/** Gives an adapter the tiles that were measured on it, if any were. */
export async function loadTiles(adapter: AdapterFacts): Promise<void> {
  if (!isNode) return;
  const tiles = (await readEntries(cacheFile()))[adapter.name];
  if (areTiles(tiles, adapter)) setTiles(adapter.name, tiles);
}

/** Keeps measured tiles for later processes. @returns the file */
export async function saveTiles(adapter: AdapterFacts, tiles: MatmulTiles): Promise<string> {
  const path = cacheFile();
  const entries = { ...(await readEntries(path)), [adapter.name]: tiles };
  await files.makeFolder(dirname(path));
  // Whole or not at all: another process may be reading it.
  await files.writeFile(`${path}.${process.pid}`, `${JSON.stringify(entries, null, 2)}\n`);
  await files.rename(`${path}.${process.pid}`, path);
  return path;
}

/** Whether an entry can be used: the file may be older than this version, or edited. */
function areTiles(value: unknown, adapter: AdapterFacts): value is MatmulTiles {
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

function isPair(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
}

function isPowerOfTwo(value: unknown): value is number {
  return isCount(value) && Number.isInteger(Math.log2(value));
}
