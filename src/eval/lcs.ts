// Longest common subsequences of token numbers: rougeL wants the length, rougeLsum the positions.

/** Length of the longest common subsequence. Time a.length * b.length, memory b.length. */
export function lcsLength(a: Int32Array, b: Int32Array): number {
  const lengths = new Uint32Array(b.length + 1); // lengths[j]: of the part of a seen so far and b[0..j)
  for (const token of a) {
    let diagonal = 0;
    for (let j = 0; j < b.length; j++) {
      const above = lengths[j + 1]!;
      lengths[j + 1] = token === b[j] ? diagonal + 1 : Math.max(above, lengths[j]!);
      diagonal = above;
    }
  }
  return lengths[b.length]!;
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
