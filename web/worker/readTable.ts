// CSV and JSON Lines to rows of text.

import { parse } from "csv-parse/browser/esm/sync";
import type { Dataset, Row } from "gradloom";

/** @throws {Error} for a file of another kind, or one that cannot be read */
export async function readTable(name: string, blob: Blob): Promise<Dataset> {
  const text = (await blob.text()).replace(/^\uFEFF/, "");
  if (/\.csv$/i.test(name))
    return fromRecords(parse(text, { columns: true, relax_column_count_less: true }));
  if (/\.jsonl?$/i.test(name)) {
    return fromRecords(
      text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => JSON.parse(line) as object),
    );
  }
  throw new Error(`${name}: must be .csv, .jsonl or .json.`);
}

function fromRecords(records: readonly object[]): Dataset {
  const rows = records.map((record): Row =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, cell(value)])),
  );
  return { features: [...new Set(rows.flatMap((row) => Object.keys(row)))], rows };
}

function cell(value: unknown): string | null {
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}
