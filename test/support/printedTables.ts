// Tables that a Python library wrote into folders, and printed: what loadDataset must read in each of them.

import { join } from "node:path";
import { expect } from "vitest";
import { loadDataset } from "../../src/data/loadDataset.ts";

/** What the script prints: folders, of which each has a split `train`, and the rows of all of them. */
export interface PrintedTables {
  readonly names: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** Cells that are no texts come as JSON. */
export async function expectTables(place: string, { names, rows }: PrintedTables): Promise<void> {
  const cell = (value: unknown) =>
    value === null || typeof value === "string" ? value : JSON.stringify(value);
  const expected = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, cell(value)])),
  );
  for (const name of names) {
    const { train } = await loadDataset(join(place, name));
    expect(train!.rows, name).toEqual(expected);
  }
}
