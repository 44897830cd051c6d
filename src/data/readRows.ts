// The rows of one file of a split, whatever it is written and packed in.

import { files } from "../tensor/files/files.ts";
import { join } from "../tensor/files/paths.ts";
import { DatasetError } from "../tensor/errors.ts";
import { csvRows } from "./csvDataset.ts";
import type { Row } from "./dataset.ts";
import { arrowRows } from "./files/arrow.ts";
import { delimiterOf, formatOf, isReadable, type Format } from "./files/dataFormat.ts";
import type { Bytes } from "./files/packedStreams.ts";
import { limited, packingOf, unpacked } from "./files/packing.ts";
import { zipMembers } from "./files/zipMembers.ts";
import { jsonRows } from "./jsonLines.ts";
import { parquetRows } from "./parquet/parquet.ts";
import type { RowRules } from "./rowChecks.ts";
import type { DataFile } from "./splits/findSplits.ts";
import { readError, textPieces } from "./textFile.ts";

/**
 * @param folder of the dataset
 * @throws {DatasetError} while iterating, naming the file and what is wrong with it
 */
export async function* readRows(
  folder: string,
  file: DataFile,
  rules: RowRules,
): AsyncGenerator<Row, void, undefined> {
  const path = join(folder, file.name);
  const packing = await packingOf(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  if (packing === "zip" || (packing === "none" && file.format === undefined)) {
    yield* archiveRows(path, file, rules);
  } else if (file.format === undefined) {
    throw notRead(path);
  } else {
    const bytes = packing === "none" ? undefined : unpacked(path, packing);
    yield* formatRows(path, path, file.format, file, rules, bytes);
  }
}

async function* archiveRows(
  path: string,
  file: DataFile,
  rules: RowRules,
): AsyncGenerator<Row, void, undefined> {
  if (!/\.zip(\.|$)/i.test(file.name) && file.format === undefined) throw notRead(path);
  let count = 0;
  for await (const { name, bytes } of zipMembers(path)) {
    const format = formatOf(name) ?? file.format;
    const shown = `${path} (${name})`;
    if (format === undefined || !isReadable(name)) throw notRead(shown);
    count++;
    const delimiter = file.format === undefined ? delimiterOf(name) : file.delimiter;
    yield* formatRows(path, shown, format, { ...file, delimiter }, rules, bytes);
  }
  if (count === 0) {
    throw new DatasetError(
      `${path}: the archive must hold .csv, .tsv, .json, .jsonl, .parquet or .arrow files, got none. Unpack it and look.`,
    );
  }
}

async function* formatRows(
  path: string,
  shown: string,
  format: Format,
  { delimiter, field }: DataFile,
  rules: RowRules,
  bytes: Bytes | undefined,
): AsyncGenerator<Row, void, undefined> {
  if (format === "csv") return yield* csvRows(shown, rules, delimiter, textPieces(shown, bytes));
  if (format === "json")
    return yield* jsonRows(shown, rules, { text: textPieces(shown, bytes), field });
  const whole = bytes && limited(shown, bytes, (await files.stat(path)).size);
  yield* format === "parquet" ? parquetRows(shown, rules, whole) : arrowRows(shown, rules, whole);
}

function notRead(path: string): DatasetError {
  return new DatasetError(
    `${path}: must be .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .arrow, plain or packed with gzip, zip, xz or zstd, got another format. Convert it.`,
  );
}
