// Arrow IPC files and streams (datasets' save_to_disk writes streams), record batch by record batch, through
// apache-arrow.

import type * as Arrow from "apache-arrow";
import { DatasetError } from "../../tensor/errors.ts";
import { files } from "../../tensor/files/files.ts";
import type { Row } from "../dataset.ts";
import { oneLine, type RowRules } from "../rowChecks.ts";
import { readError } from "../textFile.ts";
import { checkColumn } from "./arrowData.ts";
import { arrowMessages } from "./arrowMessages.ts";
import { ArrowDamage, refuse } from "./arrowTables.ts";
import type { Bytes } from "./packedStreams.ts";

/**
 * The rows of a file, one record batch in memory at a time.
 * @param file path, and its name in messages
 * @param bytes its content, when it lies packed in the file
 * @throws {DatasetError} naming file, row and column
 */
export async function* arrowRows(
  file: string,
  rules: RowRules,
  bytes?: Bytes,
): AsyncGenerator<Row, void, undefined> {
  const { RecordBatchReader } = await library(file);
  let row = 0;
  try {
    const reader = await RecordBatchReader.from(arrowMessages(bytes ?? files.stream(file)));
    await reader.open();
    // Of bytes that are no Arrow at all, none, or one without columns.
    const schema = reader.schema as Arrow.Schema | undefined;
    if (schema === undefined || schema.fields.length === 0) refuse("no Arrow schema");
    const names = schema.fields.map(({ name }) => name);
    rules.checkColumns(names, file);
    for await (const batch of reader as AsyncIterable<Arrow.RecordBatch>) {
      const columns = names.map(
        (_, j) => batch.getChildAt(j) ?? refuse("a column that is missing"),
      );
      for (const column of columns) {
        checkColumn(column);
        if (column.length < batch.numRows) refuse("a column that is short");
      }
      for (let i = 0; i < batch.numRows; i++) {
        const cells = columns.map((column, j) => [names[j]!, column.get(i) as unknown] as const);
        const usable = rules.row({ file, where: `row ${++row}` }, cells);
        if (usable !== undefined) yield usable;
      }
    }
  } catch (error) {
    throw arrowError(file, error);
  }
}

async function library(file: string): Promise<typeof Arrow> {
  try {
    return await import("apache-arrow");
  } catch (error) {
    throw new DatasetError(
      `${file}: the package apache-arrow must be installed to read Arrow files, got ${oneLine((error as Error).message)}. ` +
        "Run npm install apache-arrow, or save the dataset as Parquet: dataset.to_parquet(...).",
      { cause: error },
    );
  }
}

/** What the library throws is mostly a TypeError of its own code, which tells a user nothing. */
function arrowError(file: string, error: unknown): unknown {
  if (error instanceof DatasetError) return error;
  if ((error as NodeJS.ErrnoException).syscall !== undefined) return readError(file, error);
  const { message } = error as Error;
  const isTold = error instanceof ArrowDamage || /compressed|^Unrecognized type/.test(message);
  return new DatasetError(
    `${file}: must be an Arrow file or stream that can be read, got ${isTold ? oneLine(message) : "damaged bytes"}. ` +
      "Save the dataset again, for example as Parquet: dataset.to_parquet(...).",
    { cause: error },
  );
}
