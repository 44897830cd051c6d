// Bootstrap of column means, equal to rouge_score's (rouge/scoring.py of google-research) on NumPy's legacy
// generator: as many rows as there are drawn with replacement, their mean taken, 1000 times over.

import type { Mt19937 } from "../tensor/mt19937.ts";

const ROUNDS = 1000;
const LOW = (1 - 0.95) / 2; // not quite 0.025: as rouge_score has it
const MID = 0.5;
const HIGH = 1 - LOW;

/** Percentiles 2.5, 50 and 97.5 of the resampled means, [columns] each. */
export interface BootstrapIntervals {
  readonly low: Float64Array;
  readonly mid: Float64Array;
  readonly high: Float64Array;
}

/**
 * @param rows [count, columns], count > 0, row-major
 * @param generator is advanced as numpy.random.choice would
 */
export function bootstrapMeans(
  rows: Float64Array,
  columns: number,
  generator: Mt19937,
): BootstrapIntervals {
  const count = rows.length / columns;
  const means = Array.from({ length: columns }, () => new Float64Array(ROUNDS));
  const sums = new Float64Array(columns);
  for (let round = 0; round < ROUNDS; round++) {
    sums.fill(0);
    for (let i = 0; i < count; i++) {
      const row = drawBelow(count, generator) * columns;
      for (let j = 0; j < columns; j++) sums[j] = sums[j]! + rows[row + j]!;
    }
    for (const [j, column] of means.entries()) column[round] = sums[j]! / count;
  }
  for (const column of means) column.sort();
  const at = (fraction: number) =>
    Float64Array.from(means, (column) => percentile(column, fraction));
  return { low: at(LOW), mid: at(MID), high: at(HIGH) };
}

/** Mean of each column, rows summed in order as NumPy does. */
export function columnMeans(rows: Float64Array, columns: number): Float64Array {
  const sums = new Float64Array(columns);
  for (const [i, value] of rows.entries()) sums[i % columns] = sums[i % columns]! + value;
  return sums.map((sum) => sum / (rows.length / columns));
}

/** NumPy's legacy randint: the low bits of a draw, and another draw where they are too large. */
export function drawBelow(count: number, generator: Mt19937): number {
  const last = count - 1;
  if (last === 0) return 0; // without a draw
  const mask = 0xffffffff >>> Math.clz32(last);
  for (;;) {
    const drawn = (generator.nextUint32() & mask) >>> 0;
    if (drawn <= last) return drawn;
  }
}

/** Linear between the two nearest, rounded as numpy.percentile does. */
function percentile(sorted: Float64Array, fraction: number): number {
  const position = fraction * (sorted.length - 1);
  const below = Math.floor(position);
  const part = position - below;
  const a = sorted[below]!;
  const b = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return part < 0.5 ? a + (b - a) * part : b - (b - a) * (1 - part);
}
