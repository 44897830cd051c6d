// Longest common subsequences of token numbers: rougeL wants the length, rougeLsum the positions.

import { LcsRows, lengthAt } from "./lcsRows.ts";

/** Cells up to which a table in full costs less than bits of it: pairs of sentences. */
const SMALL = 4096;

/** Length of the longest common subsequence. Time a.length * b.length / 32, memory a.length + b.length. */
export function lcsLength(a: Int32Array, b: Int32Array): number {
  const rows = new LcsRows(b);
  const row = rows.first();
  for (const token of a) rows.advance(row, token);
  return lengthAt(row, b.length);
}

const UP = 0;
const LEFT = 1;
const DIAGONAL = 2;

/**
 * Sets marked[i] for every position of `reference` that belongs to the longest common subsequence. Of
 * several equally long ones it takes rouge_score's: seen from the end, equal tokens pair up, and the
 * reference is shortened first unless shortening the candidate keeps more.
 */
export function markLcs(reference: Int32Array, candidate: Int32Array, marked: Uint8Array): void {
  if (reference.length * candidate.length <= SMALL) markInTable(reference, candidate, marked);
  else markInRows(reference, candidate, marked);
}

/** {@link markLcs} with every step of the table written down. */
export function markInTable(
  reference: Int32Array,
  candidate: Int32Array,
  marked: Uint8Array,
): void {
  const width = candidate.length;
  const steps = new Uint8Array(reference.length * width);
  const lengths = new Uint32Array(width + 1);
  for (let i = 0; i < reference.length; i++) {
    let diagonal = 0;
    for (let j = 0; j < width; j++) {
      const above = lengths[j + 1]!;
      const left = lengths[j]!;
      const equal = reference[i] === candidate[j];
      steps[i * width + j] = equal ? DIAGONAL : left > above ? LEFT : UP;
      lengths[j + 1] = equal ? diagonal + 1 : Math.max(above, left);
      diagonal = above;
    }
  }
  let i = reference.length - 1;
  let j = width - 1;
  while (i >= 0 && j >= 0) {
    const step = steps[i * width + j]!;
    if (step === DIAGONAL) marked[i] = 1;
    if (step !== LEFT) i--;
    if (step !== UP) j--;
  }
}

/**
 * {@link markLcs} from rows of bits, of which only every so many are kept: those between are computed again on the way back. Time
 * reference.length * candidate.length / 16, memory the square root of reference.length rows.
 */
export function markInRows(reference: Int32Array, candidate: Int32Array, marked: Uint8Array): void {
  const rows = new LcsRows(candidate);
  const step = Math.ceil(Math.sqrt(reference.length));
  const kept: Uint32Array[] = [];
  const row = rows.first();
  for (const [i, token] of reference.entries()) {
    if (i % step === 0) kept.push(row.slice());
    rows.advance(row, token);
  }
  let j = candidate.length - 1;
  let length = lengthAt(row, candidate.length);
  for (let block = kept.length - 1; block >= 0 && j >= 0; block--) {
    const begin = block * step;
    const tokens = reference.subarray(begin, begin + step);
    const table = [kept[block]!]; // table[i]: before tokens[i]
    for (const token of tokens) {
      const next = table.at(-1)!.slice();
      rows.advance(next, token);
      table.push(next);
    }
    for (let i = tokens.length - 1; i >= 0 && j >= 0;) {
      if (tokens[i] === candidate[j]) {
        marked[begin + i] = 1;
        i--;
        j--;
        length--;
        continue;
      }
      const grows = ((table[i + 1]![j >>> 5]! >>> (j & 31)) & 1) === 0;
      const left = length - Number(grows);
      const above = lengthAt(table[i]!, j + 1);
      if (left > above) j--;
      else i--;
      length = Math.max(left, above);
    }
  }
}
