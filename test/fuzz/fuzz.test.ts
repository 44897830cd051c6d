// Every reader of files and answers from outside, with damaged ones. scripts/fuzzTest.ts tries more of them.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isFull } from "../support/full.ts";
import { MOST_MEMORY, peakMemory, runCase, watchProcess } from "./harness.ts";
import { readers } from "./readers/all.ts";

const CASES = isFull ? 20_000 : 300;
const SEED = 1;

test.each(readers.map((reader) => [reader.name, reader] as const))(
  "%s: a value or a clean error of its own, in bounded time and memory",
  { timeout: 1_800_000 },
  async (_, reader) => {
    const folder = await mkdtemp(join(tmpdir(), "gradloom-fuzz-"));
    const tried = await reader.setUp(folder);
    const unwatch = watchProcess();
    const before = peakMemory();
    const kinds = { accepted: 0, refused: 0 };
    try {
      for (let i = 0; i < CASES; i++) {
        const { kind, fault } = await runCase(reader, tried, SEED, i);
        expect(fault, `case ${i} of ${reader.name}`).toBeUndefined();
        kinds[kind]++;
      }
    } finally {
      unwatch();
      await tried.tearDown?.();
      await rm(folder, { recursive: true, force: true });
    }
    expect(peakMemory() - before).toBeLessThan(MOST_MEMORY);
    if (reader.errors.length > 0)
      expect(kinds.refused, "damage that is noticed").toBeGreaterThan(0);
    expect(kinds.accepted, "damage that does no harm").toBeGreaterThan(0);
  },
);
