// Measured tiles: kept in the user's cache folder, found again, and left aside where they cannot be used.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { loadTiles, saveTiles } from "../../src/kernels/matmul/tileCache.ts";
import { setTiles, tilesOf, type MatmulTiles } from "../../src/kernels/matmul/tiles.ts";
import { tuneMatmul } from "../../src/kernels/matmul/tune.ts";
import { gpu } from "../support/gpu.ts";

const isFull = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1) > 1;
const adapter = { ...gpu.adapter, name: "an adapter of this test" };
const { XDG_CACHE_HOME: before } = process.env;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-tiles-"));
  process.env["XDG_CACHE_HOME"] = folder;
});

afterEach(async () => {
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
  setTiles(adapter.name, null);
  await rm(folder, { recursive: true });
});

const tiles: MatmulTiles = { ...tilesOf(adapter), groups: 77 };

it("keeps measured tiles by adapter, and finds them again", async () => {
  const path = await saveTiles(adapter, tiles);
  await saveTiles({ ...adapter, name: "another" }, { ...tiles, groups: 5 });
  expect(tilesOf(adapter).groups).not.toBe(77);
  await loadTiles(adapter);
  expect(tilesOf(adapter)).toEqual(tiles);
  expect(Object.keys(JSON.parse(await readFile(path, "utf8")) as object)).toHaveLength(2);
});

it.each<[string, (text: string) => string]>([
  ["no JSON", () => "{"],
  ["another thing", () => "[1]"],
  ["a block that is no multiple of 4", (text) => text.replace(/"block": \[\s*\d+/, '"block": [6')],
  [
    "a workgroup the adapter cannot have",
    (text) => text.replace(/"workgroup": \d+/, '"workgroup": 65536'),
  ],
  ["more slices than invocations", (text) => text.replace(/"slices": \d+/, '"slices": 32768')],
])("leaves aside a file with %s", async (_, spoil) => {
  const path = await saveTiles(adapter, tiles);
  const text = await readFile(path, "utf8");
  expect(spoil(text)).not.toBe(text);
  await writeFile(path, spoil(text));
  await loadTiles(adapter);
  expect(tilesOf(adapter).groups).not.toBe(77);
});

// Some thirty pipelines: `npm run test:full`.
it.runIf(isFull)("measures tiles, which are the adapter's from then on", async () => {
  const reported: string[] = [];
  const labels = new Set<string>();
  const profile = gpu.profile.bind(gpu);
  const spy = vi.spyOn(gpu, "profile").mockImplementation(async (work) => {
    const times = await profile(work);
    for (const { label } of times) labels.add(label);
    return times;
  });
  try {
    const measured = await tuneMatmul(gpu, (name, gflops) => {
      reported.push(name);
      expect(gflops).toBeGreaterThan(0);
    });
    expect(reported).toEqual(["large", "small", "tall", "wide", "rows"]);
    expect(tilesOf(gpu.adapter)).toBe(measured);
    // Of every class more than one shape ran, not its first again and again.
    expect([...labels].filter((label) => /staged|direct/.test(label)).length).toBeGreaterThan(4);
  } finally {
    spy.mockRestore();
    setTiles(gpu.adapter.name, null);
  }
});
