// Which file is which split, against what Python's datasets 5.0.1 reads from the same folders (splitLayouts.json, made
// with splitLayouts.py).

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findSplits } from "../../src/data/splits/findSplits.ts";
import { DatasetError } from "../../src/tensor/errors.ts";
import { pythonWith, runPython } from "../support/python.ts";

interface Layout {
  readonly what: string;
  readonly names: readonly string[];
  readonly readme?: string;
  readonly config?: string;
  /** Files of every split, or the class of the error. */
  readonly datasets: Readonly<Record<string, readonly string[]>> | string;
  /** Ours, where it is another on purpose. */
  readonly gradloom?: Readonly<Record<string, readonly string[]>>;
  readonly why?: string;
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const layouts = JSON.parse(readFileSync(path("splitLayouts.json"), "utf8")) as Layout[];

async function splitsOf({ names, readme, config }: Layout) {
  const all = readme === undefined ? names : ["README.md", ...names];
  const listing = { names: [...all].reverse(), text: () => Promise.resolve(readme!) };
  const { splits } = await findSplits(listing, { datasetConfig: config });
  return Object.fromEntries([...splits].map(([split, files]) => [split, files.map((f) => f.name)]));
}

describe("splits of a folder", () => {
  it("are compared for many layouts", () => {
    expect(layouts.length).toBeGreaterThan(70);
    expect(new Set(layouts.map(({ what }) => what)).size).toBe(layouts.length);
    expect(layouts.filter(({ gradloom }) => gradloom)).toHaveLength(6);
  });

  it.each(layouts)("are those of datasets: $what", async (layout) => {
    const expected = layout.gradloom ?? layout.datasets;
    if (typeof expected !== "string") expect(await splitsOf(layout)).toEqual(expected);
    else await expect(splitsOf(layout)).rejects.toThrow(DatasetError);
  });

  const python = pythonWith("datasets");
  it.skipIf(python === undefined)(
    "are in the table what the installed datasets reads",
    { timeout: 180_000 },
    async () => {
      const script = readFileSync(path("splitLayouts.py"), "utf8");
      const found = await runPython(python!, script, { LAYOUTS: path("splitLayouts.json") });
      expect(found).toEqual(layouts.map(({ datasets }) => datasets));
    },
  );
});
