// Rows of different lengths one behind another, [tokens, H*D]: where each row's queries and keys lie, for the kernels of
// attention. Rows of one length, [B, T, H*D], are the case that needs no offsets: row b begins at b T.

import type { Dtype, FloatArray } from "../../tensor/dtype.ts";
import type { Device } from "../../tensor/device.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";

/** Lengths of the rows of a packed batch, as `attention` takes them: row b's queries attend to row b's keys alone. */
export interface PackedRows {
  /** Queries of each row; 0 for a row without. */
  readonly queries: readonly number[];
  /** Keys of each row, at least 1 where it has queries. */
  readonly keys: readonly number[];
}

/** Positions travel as f32 beside other floats (`stats` of backward.ts); from here on f32 has no odd numbers. */
const MOST_POSITIONS = 2 ** 24;

/** What the kernels' params say of packed rows. */
export interface PackedSizes {
  readonly batch: number;
  /** Of the longest row. */
  readonly queries: number;
  readonly keys: number;
  readonly allQueries: number;
  readonly allKeys: number;
}

/** @throws {ArgumentError} unless both lists have a whole number for each row, and what has queries has keys */
export function packedSizes({ queries, keys }: PackedRows): PackedSizes {
  if (queries.length !== keys.length) {
    throw new ArgumentError(
      `attention: rows must have as many lengths of keys as of queries, got ${keys.length} and ${queries.length}`,
    );
  }
  for (const [b, length] of [...queries, ...keys].entries()) {
    if (Number.isInteger(length) && length >= 0) continue;
    throw new ArgumentError(
      `attention: lengths of rows must be whole numbers of at least 0, got ${length} in row ${b % keys.length}`,
    );
  }
  const blind = queries.findIndex((length, b) => length > 0 && keys[b] === 0);
  if (blind >= 0) {
    throw new ArgumentError(
      `attention: a row with queries must have a key, got ${queries[blind]} queries and no key in row ${blind}. Leave such a row out.`,
    );
  }
  const [allQueries, allKeys] = [sum(queries), sum(keys)];
  if (allQueries === 0 || Math.max(allQueries, allKeys) >= MOST_POSITIONS) {
    throw new ArgumentError(
      `attention: packed rows must have 1..${MOST_POSITIONS - 1} queries and keys in all, got ${allQueries} and ${allKeys}`,
    );
  }
  return {
    ...{ batch: queries.length, queries: Math.max(...queries), keys: Math.max(...keys) },
    ...{ allQueries, allKeys },
  };
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((a, b) => a + b, 0);
}

/** [2 (B + 1)]: where each row's queries begin and the last one ends, then the same of keys. */
export function offsetsTensor({ queries, keys }: PackedRows, device: Device, dtype: Dtype): Tensor {
  const offsets = [...startsOf(queries), ...startsOf(keys)];
  return tensor(Float64Array.from(offsets), [offsets.length], { device, dtype });
}

function startsOf(lengths: readonly number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  return starts;
}

/** A row of the batch: its first query and key among all, and how many it has. */
export interface RowSpan {
  readonly firstQuery: number;
  readonly queries: number;
  readonly firstKey: number;
  readonly keys: number;
}

/** Of a call: rows, and the queries and keys of the longest. */
interface Sizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
}

function spanOf(b: number, offsets: FloatArray | null, { batch, queries, keys }: Sizes): RowSpan {
  if (offsets === null) return { firstQuery: b * queries, queries, firstKey: b * keys, keys };
  const [firstQuery, endQuery] = [offsets[b]!, offsets[b + 1]!];
  const [firstKey, endKey] = [offsets[batch + 1 + b]!, offsets[batch + 2 + b]!];
  return { firstQuery, queries: endQuery - firstQuery, firstKey, keys: endKey - firstKey };
}

/** A query of a head: a row of the probabilities, for plain bodies. */
export interface Row {
  readonly b: number;
  readonly h: number;
  readonly t: number;
  readonly span: RowSpan;
  /** Of the probabilities. */
  readonly row: number;
}

/** Rows of the probabilities, one after another. @param offsets of packed rows, null for rows of one length */
export function* rowsOf(
  p: Sizes & { readonly heads: number },
  offsets: FloatArray | null,
): Generator<Row> {
  for (let b = 0; b < p.batch; b++) {
    const span = spanOf(b, offsets, p);
    for (let h = 0; h < p.heads; h++) {
      for (let t = 0; t < span.queries; t++) {
        yield { b, h, t, span, row: span.firstQuery * p.heads + h * span.queries + t };
      }
    }
  }
}

/** Where head h of query t and of key s of a row's batch element begin. */
export function placesIn(
  { span, h }: Row,
  { heads, headDim }: { readonly heads: number; readonly headDim: number },
) {
  return {
    query: (t: number) => ((span.firstQuery + t) * heads + h) * headDim,
    key: (s: number) => ((span.firstKey + s) * heads + h) * headDim,
  };
}
