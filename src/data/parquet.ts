// Parquet files, row group by row group, through hyparquet.

import { DatasetError } from "../tensor/errors.ts";
import type { Row } from "./dataset.ts";
import { allBytes, type Bytes } from "./files/packing.ts";
import { oneLine, type RowRules } from "./rowChecks.ts";
import { readError } from "./textFile.ts";

/**
 * The rows of a file, one row group in memory at a time.
 * @param bytes its content, when it lies packed in the file: all of it is in memory then
 * @throws {DatasetError} naming file, row and column
 */
export async function* parquetRows(
  file: string,
  rules: RowRules,
  bytes?: Bytes,
): AsyncGenerator<Row, void, undefined> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } =
    await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  const fail = (error: unknown): never => {
    throw parquetError(file, error);
  };
  const buffer = await (bytes === undefined ? asyncBufferFromFile(file) : inMemory(bytes)).catch(
    fail,
  );
  const metadata = await parquetMetadataAsync(buffer).catch(fail);
  const features = parquetSchema(metadata).children.map(({ element }) => element.name);
  rules.checkColumns(features, file);
  let row = 0;
  for (const { num_rows: count } of metadata.row_groups) {
    const range = { rowStart: row, rowEnd: row + Number(count) };
    const group = await parquetReadObjects({
      file: buffer,
      metadata,
      compressors,
      ...range,
    }).catch(fail);
    for (const object of group as Record<string, unknown>[]) {
      row++;
      const cells = features.map((column) => [column, object[column]] as const);
      const usable = rules.row({ file, where: `row ${row}` }, cells);
      if (usable !== undefined) yield usable;
    }
  }
}

async function inMemory(bytes: Bytes): Promise<ArrayBuffer> {
  return new Uint8Array(await allBytes(bytes)).buffer;
}

function parquetError(file: string, error: unknown): unknown {
  if (error instanceof DatasetError) return error;
  if (typeof (error as NodeJS.ErrnoException).code === "string") return readError(file, error);
  const reason = error instanceof Error ? error.message : String(error);
  return new DatasetError(
    `${file}: must be a Parquet file that can be read, got ${oneLine(reason)}. Download or write it again.`,
    { cause: error },
  );
}
