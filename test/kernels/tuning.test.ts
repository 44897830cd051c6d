// Measured shapes of kernels: chosen by time and by agreement, within a budget; kept in the user's cache folder, found again,
// and left aside where they cannot be used.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defaultHeadTiles, measuredAttention } from "../../src/kernels/attention/tileSizes.ts";
import { defaultTiles, matrixTilesOf } from "../../src/kernels/matmul/matrixTiles.ts";
import { tilesOf } from "../../src/kernels/matmul/tiles.ts";
import { applyFastest, type Family } from "../../src/kernels/tuning/fastest.ts";
import { forgetFirstUses, tuneOnFirstUse } from "../../src/kernels/tuning/firstUse.ts";
import { setTuning, tuneAdapter, tuningOf, type Tuning } from "../../src/kernels/tuning/tune.ts";
import { loadTuning, saveTuning } from "../../src/kernels/tuning/tuningCache.ts";
import { KernelError } from "../../src/tensor/errors.ts";
import { empty } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import type { AdapterFacts } from "../../src/tensor/wgsl.ts";
import { gpu } from "../support/gpu.ts";
import { isFull } from "../support/full.ts";

const units = { componentType: "f16", resultType: "f32", m: 16, n: 16, k: 16 };
/** A card with matrix units. */
const adapter: AdapterFacts = {
  ...gpu.adapter,
  ...{ name: "an adapter of this test", driver: "a driver 1.0", software: false },
  ...{ workgroupBytes: 49152, workgroupInvocations: 1024, subgroupSize: { min: 32, max: 32 } },
  features: new Set(["subgroups", "shader-f16", "chromium-experimental-subgroup-matrix"]),
  subgroupMatrices: [{ ...units, m: 8, n: 8, k: 8 }, units],
};
const choice = { shape: units, ...defaultTiles(units) };
const tuning: Tuning = {
  products: { ...tilesOf(adapter), groups: 77 },
  matrices: { rounding: { ...choice, large: { ...choice.large, tileK: 64 } }, exact: null },
  attention: {
    registers: defaultHeadTiles(adapter, false),
    units: {
      query: { KEY_LANES: 8, QUERY_LANES: 16, PER_LANE: 4 },
      key: defaultHeadTiles(adapter, true).key,
    },
  },
};

const { XDG_CACHE_HOME: before } = process.env;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-tuning-"));
  process.env["XDG_CACHE_HOME"] = folder;
});

afterEach(async () => {
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
  for (const { name } of [adapter, gpu.adapter]) setTuning({ ...adapter, name }, null);
  forgetFirstUses();
  await rm(folder, { recursive: true });
});

describe("the cache of measured shapes", () => {
  it("keeps them by adapter, driver and version, and finds them again", async () => {
    const path = await saveTuning({ ...adapter, driver: "a driver 0.9" }, tuning);
    expect(await loadTuning(adapter)).toBe(false);
    await saveTuning({ ...adapter, name: "another" }, tuning);
    await saveTuning(adapter, tuning);
    expect(tuningOf(adapter)).toEqual({ products: null, matrices: null, attention: null });
    expect(await loadTuning(adapter)).toBe(true);
    expect(tuningOf(adapter)).toEqual(tuning);
    expect(tilesOf(adapter).groups).toBe(77);
    expect(matrixTilesOf(adapter, true)?.large.tileK).toBe(64);
    expect(matrixTilesOf(adapter, false)).toBeNull();
    // Of the other driver nothing is left.
    const entries = JSON.parse(await readFile(path, "utf8")) as object;
    expect(Object.keys(entries).map((key) => key.split(" | ").slice(0, 2))).toEqual([
      ["another", "a driver 1.0"],
      ["an adapter of this test", "a driver 1.0"],
    ]);
  });

  it.each<[string, (text: string) => string]>([
    ["no JSON", () => "{"],
    ["another thing", () => "[1]"],
    ["a block that is no multiple of 4", (x) => x.replace(/"block": \[\s*\d+/, '"block": [6')],
    ["too large a workgroup", (x) => x.replace(/"workgroup": \d+/, '"workgroup": 65536')],
    ["more slices than invocations", (x) => x.replace(/"slices": \d+/, '"slices": 32768')],
    ["units that are not offered", (x) => x.replace('"k": 16', '"k": 32')],
    ["a tile that does not fit", (x) => x.replace('"tileK": 64', '"tileK": 6400')],
    ["lanes that are no power of two", (x) => x.replace('"QUERY_LANES": 32', '"QUERY_LANES": 24')],
    [
      "unit tiles of another width",
      (x) => x.replace(/("units": {\s*"query": {\s*"KEY_LANES": )8/, "$116"),
    ],
    ["unit tiles of too few queries", (x) => x.replace('"PER_LANE": 4', '"PER_LANE": 0')],
    ["no entry for attention", (x) => x.replace('"attention"', '"attentions"')],
  ])("leaves aside a file with %s", async (_, spoil) => {
    const path = await saveTuning(adapter, tuning);
    const text = await readFile(path, "utf8");
    expect(spoil(text)).not.toBe(text);
    await writeFile(path, spoil(text));
    expect(await loadTuning(adapter)).toBe(false);
    expect(tuningOf(adapter).products).toBeNull();
  });
});

describe("applyFastest", () => {
  /** Ways that take so many milliseconds and give so much. */
  const family = (
    ways: Readonly<Record<string, readonly [milliseconds: number, value: number]>>,
  ) => {
    let now = "";
    const applied: string[] = [];
    const made: Family<string> = {
      name: "ways",
      candidates: Object.keys(ways),
      apply(way) {
        now = way;
        applied.push(way);
      },
      run() {
        const [milliseconds, value] = ways[now]!;
        if (Number.isNaN(value)) throw new KernelError("ways", "this way does not compile");
        const end = performance.now() + milliseconds;
        while (performance.now() < end);
        const x = empty(gpu, [4], "f32");
        gpu.write(x.storage, "f32", new Float32Array(4).fill(value));
        return x;
      },
      flops: 1e6,
    };
    return { made, applied };
  };
  const device: WebGpuDevice = Object.create(gpu, {
    adapter: { value: { ...gpu.adapter, features: new Set() } },
  }) as WebGpuDevice;
  vi.spyOn(device, "forgetPlans").mockImplementation(() => gpu.forgetPlans());
  vi.spyOn(device, "sync").mockImplementation(() => gpu.sync());

  it("applies the fastest of those that agree with the first", async () => {
    const { made, applied } = family({
      first: [6, 1],
      wrong: [0, 2],
      fast: [1, 1.001],
      slow: [9, 1],
    });
    const fastest = await applyFastest(device, made, Infinity);
    expect(fastest?.candidate).toBe("fast");
    expect(applied.at(-1)).toBe("fast");
    expect(fastest!.gflops).toBeGreaterThan(0.1);
    expect(fastest!.gflops).toBeLessThan(1);
  });

  it("keeps the first where another does not compile, or where there is no time", async () => {
    const broken = family({ first: [3, 1], broken: [0, NaN] });
    expect(await applyFastest(device, broken.made, Infinity)).toBeNull();
    expect(broken.applied.at(-1)).toBe("first");
    const faulty: Family<string> = {
      ...broken.made,
      run() {
        throw new Error("another fault");
      },
    };
    await expect(applyFastest(device, faulty, Infinity)).rejects.toThrow("another fault");
    const late = family({ first: [3, 1], fast: [0, 1] });
    expect(await applyFastest(device, late.made, performance.now())).toBeNull();
    expect(late.applied).toEqual(["first"]);
    // Time for the first alone: nothing to compare it with.
    const brief = family({ first: [30, 1], fast: [0, 1] });
    expect(await applyFastest(device, brief.made, performance.now() + 60)).toBeNull();
    expect(brief.applied.at(-1)).toBe("first");
  });
});

describe("the first use of an adapter", () => {
  it("measures nothing on software, without units, or where it is switched off", async () => {
    const dispatches = gpu.dispatches;
    const card = (facts: Partial<AdapterFacts>): WebGpuDevice =>
      Object.create(gpu, { adapter: { value: { ...adapter, ...facts } } }) as WebGpuDevice;
    await tuneOnFirstUse(card({ software: true }), true);
    forgetFirstUses();
    await tuneOnFirstUse(card({ subgroupMatrices: [] }), true);
    forgetFirstUses();
    await tuneOnFirstUse(card({}), false);
    forgetFirstUses();
    process.env["GRADLOOM_TUNE"] = "0";
    try {
      await tuneOnFirstUse(card({}), true);
    } finally {
      delete process.env["GRADLOOM_TUNE"];
    }
    expect(gpu.dispatches).toBe(dispatches);
    expect(tuningOf(adapter).matrices).toBeNull();
  });

  it("uses what was measured before", async () => {
    await saveTuning(
      { ...adapter, name: gpu.adapter.name, driver: gpu.adapter.driver },
      {
        ...tuning,
        products: { ...tilesOf(gpu.adapter), groups: 5 },
        matrices: null,
        attention: null,
      },
    );
    await tuneOnFirstUse(gpu, true);
    expect(tilesOf(gpu.adapter).groups).toBe(5);
  });
});

describe("tuneAdapter", () => {
  it("begins nothing after its budget, and leaves what it did not measure to the tables", async () => {
    const reported: string[] = [];
    await tuneAdapter(gpu, { seconds: 0, report: (name) => reported.push(name) });
    expect(reported).toEqual([]);
    expect(tuningOf(gpu.adapter)).toEqual({ products: null, matrices: null, attention: null });
  });

  // Some fifty pipelines: `npm run test:full`; with units under npm run test:lavapipe.
  it.runIf(isFull)(
    "measures every family, whose fastest are the adapter's from then on",
    async () => {
      const reported: string[] = [];
      const tuned = await tuneAdapter(gpu, {
        report(name, gflops) {
          reported.push(name);
          expect(gflops).toBeGreaterThan(0);
        },
      });
      const inRegisters = ["rows", "large", "small", "tall", "wide"].map(
        (name) => `${name} products`,
      );
      expect(reported).toEqual(expect.arrayContaining(inRegisters));
      expect(reported).toContain("attention in registers, tiles of keys");
      const hasUnits = matrixTilesOf(gpu.adapter, true) !== null || tuned.matrices !== null;
      expect(reported.some((name) => name.includes("matrix units"))).toBe(hasUnits);
      expect(tilesOf(gpu.adapter)).toBe(tuned.products);
      expect(measuredAttention(gpu.adapter)).toBe(tuned.attention);
      await saveTuning(gpu.adapter, tuned);
      expect(await loadTuning(gpu.adapter)).toBe(true);
    },
  );
});
