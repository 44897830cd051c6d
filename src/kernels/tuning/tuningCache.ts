// Measured shapes, kept in the user's cache folder by adapter, driver and version of this library. Node only: pages use the
// tables.

import { isNode } from "../../tensor/runtime.ts";
import { VERSION } from "../../tensor/version.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import { areAttentionTiles, areMatmulTiles, areMatrixTiles, isObject } from "./tuningRules.ts";
import { setTuning, type Tuning } from "./tune.ts";

type Entries = Readonly<Record<string, unknown>>;

async function cacheFile(): Promise<string> {
  const { join } = await import("node:path");
  const { homedir } = await import("node:os");
  const folder = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(folder, "gradloom", "kernel-shapes.json");
}

/** All entries; none where there is no file, or none that can be read: it can be measured again. */
async function readEntries(path: string): Promise<Entries> {
  const { readFile } = await import("node:fs/promises");
  try {
    const entries: unknown = JSON.parse(await readFile(path, "utf8"));
    return isObject(entries) ? entries : {};
  } catch {
    return {};
  }
}

function keyOf({ name, driver }: AdapterFacts): string {
  return `${name} | ${driver} | gradloom ${VERSION}`;
}

/** Gives an adapter the shapes that were measured on it. @returns whether there were any that it can use */
export async function loadTuning(adapter: AdapterFacts): Promise<boolean> {
  if (!isNode) return false;
  const entry = (await readEntries(await cacheFile()))[keyOf(adapter)];
  const isUsable = isTuning(entry, adapter);
  if (isUsable) setTuning(adapter, entry);
  return isUsable;
}

/** Keeps measured shapes for later processes, in place of those of other drivers and versions. @returns the file */
export async function saveTuning(adapter: AdapterFacts, tuning: Tuning): Promise<string> {
  const { mkdir, rename, writeFile } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const path = await cacheFile();
  const others = Object.entries(await readEntries(path)).filter(
    ([key]) => !key.startsWith(`${adapter.name} | `),
  );
  const entries = { ...Object.fromEntries(others), [keyOf(adapter)]: tuning };
  await mkdir(dirname(path), { recursive: true });
  // Whole or not at all: another process may be reading it.
  await writeFile(`${path}.${process.pid}`, `${JSON.stringify(entries, null, 2)}\n`);
  await rename(`${path}.${process.pid}`, path);
  return path;
}

/** Whether an entry can be used: somebody may have edited the file. */
function isTuning(value: unknown, adapter: AdapterFacts): value is Tuning {
  if (!isObject(value)) return false;
  const { products, matrices, attention } = value;
  return (
    (products === null || areMatmulTiles(products, adapter)) &&
    (matrices === null || areMatrixTiles(matrices, adapter)) &&
    (attention === null || areAttentionTiles(attention, adapter))
  );
}
