// Which rows a rank sees: accelerate's BatchSamplerShard (data_loader.py), which transformers' Trainer uses. Batches are made as for one
// process, and dealt out: rank r gets batches r, r + n, r + 2n, ... of n ranks. So n ranks see at each step the rows that one
// process sees which accumulates n batches.

/**
 * Rows of one rank for an epoch of training, batch behind batch. Every rank gets as many, and full ones: rows from the beginning of the
 * order fill up the last, unless `dropLast` leaves it out.
 * @param order [rows] of the whole epoch
 */
export function trainingRows(
  order: Uint32Array,
  { batchSize, dropLast }: { readonly batchSize: number; readonly dropLast: boolean },
  { rank, size }: Rank,
): Uint32Array {
  if (size === 1) return order;
  const round = batchSize * size;
  const rounds = (dropLast ? Math.floor : Math.ceil)(order.length / round);
  return Uint32Array.from({ length: rounds * batchSize }, (_, i) => {
    const batch = Math.floor(i / batchSize) * size + rank;
    return order[(batch * batchSize + (i % batchSize)) % order.length]!;
  });
}

/** Rows of one rank for an evaluation: every row is seen by one rank, once; ranks may differ by a batch. */
export function evaluationRows(rows: number, batchSize: number, { rank, size }: Rank): Uint32Array {
  const all = Uint32Array.from({ length: rows }, (_, i) => i);
  return all.filter((i) => Math.floor(i / batchSize) % size === rank);
}

/** The same of a stream, which every rank reads whole. `evenly` fills up the last round as `trainingRows` does. */
export async function* streamRows<T>(
  rows: AsyncIterable<T>,
  { batchSize, evenly, dropLast }: StreamShare,
  { rank, size }: Rank,
): AsyncGenerator<T, void, undefined> {
  const length = batchSize * size;
  const first: T[] = [];
  let round: T[] = [];
  for await (const row of rows) {
    if (first.length < length) first.push(row);
    round.push(row);
    if (round.length < length) continue;
    yield* round.slice(rank * batchSize, (rank + 1) * batchSize);
    round = [];
  }
  if (round.length === 0 || dropLast) return;
  const missing = evenly ? length - round.length : 0;
  round.push(...Array.from({ length: missing }, (_, i) => first[i % first.length]!));
  yield* round.slice(rank * batchSize, (rank + 1) * batchSize);
}

interface Rank {
  readonly rank: number;
  readonly size: number;
}

interface StreamShare {
  readonly batchSize: number;
  readonly evenly: boolean;
  readonly dropLast: boolean;
}

/**
 * Rows or batches of all ranks in the order of one process.
 * @param byRank each rank's batches
 */
export function inOrderOfBatches<T>(byRank: readonly (readonly T[])[]): T[] {
  const rounds = Math.max(0, ...byRank.map((batches) => batches.length));
  return Array.from({ length: rounds }, (_, round) => round).flatMap((round) =>
    byRank.flatMap((batches) => (round < batches.length ? [batches[round]!] : [])),
  );
}
