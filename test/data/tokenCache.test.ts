import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "../../src/cli/example.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import type { Row } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { preprocess } from "../../src/data/preprocess.ts";
import {
  preprocessCached,
  tokenCacheFolder,
  type CacheOptions,
} from "../../src/data/tokenCache.ts";
import { temporaryFolder } from "../support/folder.ts";
import { wordLengths } from "../support/wordLengths.ts";

const folder = temporaryFolder();
let cacheDir: string;
let encoded = 0;
/** Counts the texts that are tokenised. */
const tokenizer = {
  name: "one",
  encode: ((texts, options) => {
    encoded += [texts].flat().length;
    return wordLengths.encode(texts, options);
  }) as typeof wordLengths.encode,
  fingerprint: async () => tokenizer.name,
};
const rows: Row[] = Array.from({ length: 300 }, (_, i) => ({
  dialogue: "ab ".repeat(i % 9),
  summary: `x${i}`,
  topic: `topic ${i}`,
}));

beforeEach(() => {
  cacheDir = folder();
  encoded = 0;
  tokenizer.name = "one";
});
afterEach(() => vi.restoreAllMocks());

/** Texts that were tokenised: two a row, or those of a few probes. */
async function work(change: Partial<CacheOptions> = {}, from = rows): Promise<number> {
  encoded = 0;
  const options = { cacheDir, ...change };
  const examples = await preprocessCached({ rows: from }, tokenizer, options);
  const count = encoded;
  expect(examples).toEqual(await preprocess({ rows: from }, wordLengths, options));
  return count;
}
const WHOLE = 2 * rows.length;
const entries = async () => (await readdir(cacheDir)).sort();

describe("the cache of tokens", () => {
  it("gives the same examples without tokenising more than a few rows", async () => {
    expect(await work()).toBe(WHOLE);
    expect(await work()).toBe(32);
    expect(await entries()).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.safetensors$/)]);
    expect(await work({ faithful: true, maxLength: 20 })).toBe(WHOLE);
    expect(await work({ faithful: true, maxLength: 20 })).toBe(32);
    expect(await work({}, rows.slice(0, 1))).toBe(2);
    expect(await work({}, rows.slice(0, 1))).toBe(2);
    expect(await work({}, [])).toBe(0);
  });

  it("is not used for other texts, columns, prompts, settings or tokenizers", async () => {
    await work();
    const changed = rows.map((row, i) => (i === 150 ? { ...row, summary: "other" } : row));
    expect(await work({}, changed)).toBe(WHOLE);
    expect(await work({}, [...rows].reverse())).toBe(WHOLE);
    expect(await work({ targetColumn: "topic" })).toBe(WHOLE);
    expect(await work({ sourceColumn: "topic" })).toBe(WHOLE);
    expect(await work({ template: "{dialogue} {topic}" })).toBe(WHOLE);
    expect(await work({ maxLength: 8 })).toBe(WHOLE);
    expect(await work({ faithful: true })).toBe(WHOLE);
    tokenizer.name = "two";
    expect(await work()).toBe(WHOLE);
    expect(await entries()).toHaveLength(9);
    tokenizer.name = "one";
    // A column that goes nowhere changes nothing.
    expect(
      await work(
        {},
        rows.map((row) => ({ ...row, topic: "" })),
      ),
    ).toBe(32);
  });

  it("is not believed when the tokenizer's code gives other ids today", async () => {
    await work();
    const shifted = {
      ...tokenizer,
      encode: ((texts, options) => {
        const { inputIds, attentionMask } = tokenizer.encode(texts, options);
        return { inputIds: inputIds.map((ids) => ids.map((id) => id + 1)), attentionMask };
      }) as typeof wordLengths.encode,
    };
    const [example] = await preprocessCached({ rows }, shifted, { cacheDir });
    expect(example!.inputIds.at(-1)).toBe(2);
  });

  it("writes an entry anew that was damaged", async () => {
    await work();
    const [name] = await entries();
    const whole = await readFile(join(cacheDir, name!));
    for (const damaged of [whole.subarray(0, whole.length - 100), Buffer.from("x")]) {
      await writeFile(join(cacheDir, name!), damaged);
      expect(await work()).toBe(WHOLE);
      expect(whole.equals(await readFile(join(cacheDir, name!)))).toBe(true);
    }
  });

  it("notices one bit of its ids, of their lengths and of what they are", async () => {
    await work();
    const [name] = await entries();
    const whole = await readFile(join(cacheDir, name!));
    const begin = 8 + Number(whole.readBigUInt64LE(0));
    const places = Array.from(
      { length: 12 },
      (_, i) => begin + 37 + i * ((whole.length - begin) >> 4),
    );
    for (const place of [...places, whole.indexOf('"I32"') + 1]) {
      const flipped = Buffer.from(whole);
      flipped[place]! ^= place < begin ? 0x0f : 1 << (place & 7); // I32 becomes F32
      await writeFile(join(cacheDir, name!), flipped);
      expect(await work(), `byte ${place}`).toBe(WHOLE);
    }
    await work({}, rows.slice(0, 1));
    const other = (await entries()).find((each) => each !== name)!;
    await writeFile(join(cacheDir, other), whole); // of other rows
    expect(await work({}, rows.slice(0, 1))).toBe(2);
  });

  it("goes on without where it cannot write, and says so", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await writeFile(cacheDir, "a file");
    expect(await work()).toBe(WHOLE);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(/tokens are not kept .*Set GRADLOOM_CACHE/);
  });

  it("deletes entries that nobody has used for a month", async () => {
    await mkdir(cacheDir);
    for (const [name, days] of [
      ["old", 31],
      ["new", 29],
    ] as const) {
      const time = new Date(Date.now() - days * 24 * 60 * 60 * 1000);
      await writeFile(join(cacheDir, `${name}.safetensors`), "");
      await utimes(join(cacheDir, `${name}.safetensors`), time, time);
    }
    await work();
    const left = await entries();
    expect(left).toContain("new.safetensors");
    expect(left).not.toContain("old.safetensors");
  });

  it("lies in GRADLOOM_CACHE, else beside other caches", () => {
    vi.stubEnv("GRADLOOM_CACHE", "/a");
    expect(tokenCacheFolder()).toBe(join("/a", "tokens"));
    vi.stubEnv("GRADLOOM_CACHE", "");
    vi.stubEnv("XDG_CACHE_HOME", "/b");
    expect(tokenCacheFolder()).toBe(join("/b", "gradloom", "tokens"));
    vi.unstubAllEnvs();
  });

  it("works with the example's tokenizer, whose fingerprint follows from its files", async () => {
    const real = await Tokenizer.fromPretrained(EXAMPLE_MODEL);
    const { validation } = await loadDataset(EXAMPLE_DATASET);
    const first = await preprocessCached(validation!, real, { cacheDir });
    expect(await preprocessCached(validation!, real, { cacheDir })).toEqual(first);
    expect(await entries()).toHaveLength(1);
    const files = new Map<string, Blob>();
    for (const name of await readdir(EXAMPLE_MODEL)) {
      files.set(name, new Blob([await readFile(join(EXAMPLE_MODEL, name))]));
    }
    expect(await (await Tokenizer.fromPretrained(files)).fingerprint()).toBe(
      await real.fingerprint(),
    );
    const config = JSON.parse(await files.get("tokenizer_config.json")!.text()) as object;
    files.set(
      "tokenizer_config.json",
      new Blob([JSON.stringify({ ...config, model_max_length: 9 })]),
    );
    expect(await (await Tokenizer.fromPretrained(files)).fingerprint()).not.toBe(
      await real.fingerprint(),
    );
  });
});
