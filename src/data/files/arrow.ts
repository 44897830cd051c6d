// Arrow IPC files and streams (datasets' save_to_disk writes streams), record batch by record batch, through
// apache-arrow.

import type * as Arrow from "apache-arrow";
import { DatasetError } from "../../tensor/errors.ts";
import { files } from "../../tensor/files/files.ts";
import { nodeModule } from "../../tensor/nodeModule.ts";
import { isNode } from "../../tensor/runtime.ts";
import type { Row } from "../dataset.ts";
import { oneLine, type RowRules } from "../rowChecks.ts";
import type { Bytes } from "./packedStreams.ts";
import { allBytes } from "./packing.ts";

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
  // The library reads Node's files piece by piece; in pages all of one is in memory.
  const handle =
    bytes === undefined && isNode ? await nodeModule("node:fs/promises").open(file) : undefined;
  let row = 0;
  try {
    const reader = await (handle === undefined
      ? RecordBatchReader.from(await allBytes(bytes ?? files.stream(file)))
      : RecordBatchReader.from(handle));
    await reader.open();
    const names = reader.schema.fields.map(({ name }) => name);
    if (!isKnown(reader.schema)) throw new Error("no Arrow schema");
    rules.checkColumns(names, file);
    for await (const batch of reader as AsyncIterable<Arrow.RecordBatch>) {
      for (let i = 0; i < batch.numRows; i++) {
        const cells = names.map(
          (name, j) => [name, batch.getChildAt(j)?.get(i) as unknown] as const,
        );
        const usable = rules.row({ file, where: `row ${++row}` }, cells);
        if (usable !== undefined) yield usable;
      }
    }
  } catch (error) {
    throw arrowError(file, error);
  } finally {
    await handle?.close();
  }
}

/** apache-arrow gives an empty schema for bytes that are no Arrow at all. */
function isKnown(schema: { readonly fields: readonly unknown[] } | undefined): boolean {
  return schema !== undefined && schema.fields.length > 0;
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

function arrowError(file: string, error: unknown): unknown {
  if (error instanceof DatasetError || (error as NodeJS.ErrnoException).syscall !== undefined)
    return error;
  return new DatasetError(
    `${file}: must be an Arrow file or stream that can be read, got ${oneLine((error as Error).message)}. ` +
      "Save the dataset again, for example as Parquet: dataset.to_parquet(...).",
    { cause: error },
  );
}
