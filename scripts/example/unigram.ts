// Trains a unigram vocabulary (Kudo 2018, "Subword regularization", section 3.2): from many candidate pieces, rounds of
// expectation maximisation, and after each the pieces whose loss costs least likelihood are dropped.
//
//   P(word) = sum over its segmentations of prod P(piece)        P(piece) = expected count / sum of expected counts

export interface UnigramOptions {
  /** How many pieces to end with. */
  readonly size: number;
  /** Pieces that are never dropped: every character that must be encodable, at least those of the words. */
  readonly keep: readonly string[];
  /** Longest piece in characters; default 16. */
  readonly maxLength?: number;
}

/** Log probability by piece. */
export type Scores = Map<string, number>;

/**
 * @param words how often each word occurs; pieces never cross from one word to the next
 * @returns `size` pieces (fewer if the words have no more that help) with their log probabilities, the likeliest first
 */
export function trainUnigram(
  words: ReadonlyMap<string, number>,
  { size, keep, maxLength = 16 }: UnigramOptions,
): Scores {
  const kept = new Set(keep);
  let scores = maximise(seedCounts(words, kept, maxLength), kept);
  for (;;) {
    for (let round = 0; round < 2; round++) {
      scores = maximise(expectedCounts(words, scores, maxLength), kept);
    }
    if (scores.size <= size) break;
    const counts = expectedCounts(words, scores, maxLength);
    scores = prune(scores, counts, kept, Math.max(size, Math.floor(0.8 * scores.size)), maxLength);
  }
  return new Map([...scores].sort(byScoreThenText));
}

/** Every substring that occurs at least twice, with its count. */
function seedCounts(
  words: ReadonlyMap<string, number>,
  kept: ReadonlySet<string>,
  maxLength: number,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (let i = 0; i < word.length; i++) {
      for (let j = i + 1; j <= Math.min(word.length, i + maxLength); j++) {
        const piece = word.slice(i, j);
        counts.set(piece, (counts.get(piece) ?? 0) + count);
      }
    }
  }
  return new Map([...counts].filter(([piece, count]) => count >= 2 || kept.has(piece)));
}

/** E-step: how often each piece is used, over all segmentations of all words (forward-backward). */
function expectedCounts(
  words: ReadonlyMap<string, number>,
  scores: Scores,
  maxLength: number,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    const n = word.length;
    const forward = new Float64Array(n + 1).fill(-Infinity);
    const backward = new Float64Array(n + 1).fill(-Infinity);
    forward[0] = backward[n] = 0;
    const edges: { from: number; to: number; piece: string; score: number }[] = [];
    for (let from = 0; from < n; from++) {
      for (let to = from + 1; to <= Math.min(n, from + maxLength); to++) {
        const piece = word.slice(from, to);
        const score = scores.get(piece);
        if (score === undefined) continue;
        edges.push({ from, to, piece, score });
        forward[to] = logSum(forward[to]!, forward[from]! + score);
      }
    }
    for (const { from, to, score } of edges.toReversed()) {
      backward[from] = logSum(backward[from]!, backward[to]! + score);
    }
    for (const { from, to, piece, score } of edges) {
      const share = Math.exp(forward[from]! + score + backward[to]! - forward[n]!);
      counts.set(piece, (counts.get(piece) ?? 0) + count * share);
    }
  }
  return counts;
}

/** M-step; pieces expected less than half a time are dropped, kept ones are given at least that. */
function maximise(counts: ReadonlyMap<string, number>, kept: ReadonlySet<string>): Scores {
  const least = 0.5;
  const alive = new Map([...counts].filter(([, count]) => count >= least));
  for (const piece of kept) alive.set(piece, Math.max(alive.get(piece) ?? 0, least));
  const total = [...alive.values()].reduce((sum, count) => sum + count, 0);
  return new Map([...alive].map(([piece, count]) => [piece, Math.log(count / total)]));
}

/** Keeps the n pieces without which the words would lose most likelihood. */
function prune(
  scores: Scores,
  counts: ReadonlyMap<string, number>,
  kept: ReadonlySet<string>,
  n: number,
  maxLength: number,
): Scores {
  const losses = [...scores].map(([piece, score]): [string, number] => {
    if (kept.has(piece)) return [piece, Infinity];
    const others = bestSegmentation(piece, scores, maxLength, piece);
    return [piece, (counts.get(piece) ?? 0) * (score - others)];
  });
  const survivors = losses.sort(byScoreThenText).slice(0, n);
  return new Map(survivors.map(([piece]) => [piece, scores.get(piece)!]));
}

/** Log probability of the likeliest segmentation of a text that does not use one piece (Viterbi). */
function bestSegmentation(
  text: string,
  scores: Scores,
  maxLength: number,
  without: string,
): number {
  const best = new Float64Array(text.length + 1).fill(-Infinity);
  best[0] = 0;
  for (let from = 0; from < text.length; from++) {
    for (let to = from + 1; to <= Math.min(text.length, from + maxLength); to++) {
      const piece = text.slice(from, to);
      const score = piece === without ? undefined : scores.get(piece);
      if (score !== undefined) best[to] = Math.max(best[to]!, best[from]! + score);
    }
  }
  return best[text.length]!;
}

function byScoreThenText([a, x]: [string, number], [b, y]: [string, number]): number {
  return x === y ? (a < b ? -1 : 1) : y - x;
}

function logSum(x: number, y: number): number {
  const most = Math.max(x, y);
  return most === -Infinity ? most : most + Math.log1p(Math.exp(Math.min(x, y) - most));
}
