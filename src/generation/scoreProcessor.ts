// What changes the scores of the next token of a row.

/**
 * Changes the scores of one row in place. Scores are f32 and so are the numbers they meet: 1 / 1.3 in f32 is not 1 / 1.3
 * in f64.
 * @param scores [V] logits; in beam search log-probabilities
 * @param ids the row's decoder tokens so far, start token first
 * @param item index of the row's input in the batch
 */
export type ScoreProcessor = (scores: Float32Array, ids: readonly number[], item: number) => void;

/** A condition on the tokens that are last, and the token that would follow. */
export function endsWith(ids: readonly number[], last: readonly number[]): boolean {
  const begin = ids.length - last.length;
  return begin >= 0 && last.every((id, i) => ids[begin + i] === id);
}
