// What a caller's collator returns goes into arithmetic: it is looked at where it is made.

import { ArgumentError } from "../tensor/errors.ts";
import type { Collator } from "../data/batches.ts";

/**
 * The collator, its batches checked: inputIds of at least one row, and labels where there are any.
 * @throws {ArgumentError} (the result does) for anything else, a promise among others
 */
export function checkedCollator(collate: Collator): Collator {
  return (examples) => {
    const batch: unknown = collate(examples);
    if (typeof batch !== "object" || batch === null) throw wrong("a batch", batch);
    if (batch instanceof Promise) throw wrong("a batch and no promise of one", batch);
    const { inputIds, labels } = batch as Record<string, unknown>;
    if (!isRows(inputIds) || inputIds.length === 0) throw wrong("inputIds in rows", inputIds);
    if (labels !== undefined && !isRows(labels)) throw wrong("labels in rows", labels);
    return batch as ReturnType<Collator>;
  };
}

function isRows(value: unknown): value is readonly unknown[] {
  const isRow = (row: unknown): boolean => Array.isArray(row) || ArrayBuffer.isView(row);
  return Array.isArray(value) && value.every(isRow);
}

function wrong(must: string, value: unknown): ArgumentError {
  const kind = Array.isArray(value) ? `an array of ${value.length}` : typeof value;
  const got = value === null ? "null" : value instanceof Promise ? "a promise" : kind;
  return new ArgumentError(
    `collator: must return ${must}, got ${got}. ` +
      "Return { inputIds, labels }, arrays of rows of numbers (seq2seqCollate makes them).",
  );
}
