// What is wrong with a Parquet file, as the part of a message behind "got".

import { DatasetError } from "../../tensor/errors.ts";
import { oneLine } from "../rowChecks.ts";
import { readError } from "../textFile.ts";

/** Bytes that no Parquet writer writes, or more than is unpacked here. */
export class ParquetDamage extends Error {}

export function refuse(got: string): never {
  throw new ParquetDamage(got);
}

/**
 * The error of a reader as one of ours. What the library throws for damage that is not found before is mostly a
 * TypeError of its own code, which tells a user nothing.
 * @param place in the file, such as "row group 2"
 */
export function parquetError(file: string, place: string, error: unknown): unknown {
  if (error instanceof DatasetError) return error;
  if ((error as NodeJS.ErrnoException).syscall !== undefined) return readError(file, error);
  const { message } = error as Error;
  const isTold = error instanceof ParquetDamage || /^parquet (?!.*undefined)/.test(message);
  return new DatasetError(
    `${file}: must be a Parquet file that can be read, got ${isTold ? oneLine(message) : "damaged bytes"} in ${place}. ` +
      "Download or write it again.",
    { cause: error },
  );
}
