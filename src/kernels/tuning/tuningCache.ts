// Measured shapes, kept in the user's cache folder by adapter, driver and version of this library. Node only: pages use the
// tables.

import { files } from "../../tensor/files/files.ts";
import { dirname, join } from "../../tensor/files/paths.ts";
import { homeFolder, processId, variable } from "../../tensor/host.ts";
import { isNode } from "../../tensor/runtime.ts";
import { VERSION } from "../../tensor/version.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import { areAttentionTiles, areMatmulTiles, areMatrixTiles, isObject } from "./tuningRules.ts";
import { setTuning, type Tuning } from "./tune.ts";

type Entries = Readonly<Record<string, unknown>>;

function cacheFile(): string {
  const folder = variable("XDG_CACHE_HOME") || join(homeFolder(), ".cache");
  return join(folder, "gradloom", "kernel-shapes.json");
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

function keyOf({ name, driver }: AdapterFacts): string {
  return `${name} | ${driver} | gradloom ${VERSION}`;
}

/** Gives an adapter the shapes that were measured on it. @returns whether there were any that it can use */
export async function loadTuning(adapter: AdapterFacts): Promise<boolean> {
  if (!isNode) return false;
  const entry = (await readEntries(cacheFile()))[keyOf(adapter)];
  const isUsable = isTuning(entry, adapter);
  if (isUsable) setTuning(adapter, entry);
  return isUsable;
}

/** Keeps measured shapes for later processes, in place of those of other drivers and versions. @returns the file */
export async function saveTuning(adapter: AdapterFacts, tuning: Tuning): Promise<string> {
  const path = cacheFile();
  const others = Object.entries(await readEntries(path)).filter(
    ([key]) => !key.startsWith(`${adapter.name} | `),
  );
  const entries = { ...Object.fromEntries(others), [keyOf(adapter)]: tuning };
  await files.makeFolder(dirname(path));
  // Whole or not at all: another process may be reading it.
  const unfinished = `${path}.${processId()}`;
  await files.writeFile(unfinished, `${JSON.stringify(entries, null, 2)}\n`);
  await files.rename(unfinished, path);
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
