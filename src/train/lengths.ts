// The lengths of rows, for batches of rows that need little padding.

import type { IndexedDataset } from "../data/batches.ts";
import { lengthGroupedEvaluation } from "../data/dataOrder.ts";
import { checkExample, type Example } from "../data/collate.ts";
import { DatasetError } from "../tensor/errors.ts";
import type { TrainDataset } from "../data/batches.ts";

type Rows = readonly Example[] | IndexedDataset;

/** Rows by index; null for a stream. */
export function indexed(dataset: TrainDataset): Rows | null {
  return Symbol.asyncIterator in dataset ? null : dataset;
}

/**
 * Length of each row: what its property `column` says where the first row has one, else the number of its inputIds.
 * @throws {DatasetError} for a row that is no example, or whose property is no length
 */
export async function rowLengths(rows: Rows, column: string): Promise<number[]> {
  const lengths: number[] = [];
  let hasColumn = false;
  for (let i = 0; i < rows.length; i++) {
    const row = await rowAt(rows, i);
    checkExample("dataset", `row ${i}`, row, []);
    const stored: unknown = Reflect.get(row, column);
    if (i === 0) hasColumn = stored !== undefined;
    if (hasColumn && !(typeof stored === "number" && stored >= 0)) {
      throw new DatasetError(
        `lengthColumnName: ${column} must be a length in every row, got ${String(stored)} in row ${i}. ` +
          "Leave the property out to count inputIds.",
      );
    }
    if (!hasColumn) checkExample("dataset", `row ${i}`, row, ["inputIds"]);
    lengths.push(hasColumn ? (stored as number) : row.inputIds.length);
  }
  return lengths;
}

/** A dataset in another order, and the way back. */
export interface Reordered {
  readonly dataset: IndexedDataset;
  /** What was made of each row, in the order of the dataset before. */
  restore<T>(made: readonly T[]): T[];
}

/** The rows of an evaluation, those of similar length side by side. */
export async function groupedByLength(
  rows: Rows,
  column: string,
  batchSize: number,
  seed: number,
): Promise<Reordered> {
  const order = lengthGroupedEvaluation(await rowLengths(rows, column), batchSize, seed);
  return {
    dataset: { length: rows.length, get: (i) => rowAt(rows, order[i]!) },
    restore<T>(made: readonly T[]): T[] {
      const restored = new Array<T>(made.length);
      made.forEach((one, i) => (restored[order[i]!] = one));
      return restored;
    },
  };
}

function rowAt(rows: Rows, i: number): Example | Promise<Example> {
  return "get" in rows ? rows.get(i) : rows[i]!;
}
