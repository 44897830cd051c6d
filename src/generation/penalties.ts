// Processors that make tokens more or less likely.

import { completes } from "./bans.ts";
import type { SequenceBias } from "./options.ts";
import type { ScoreProcessor } from "./scoreProcessor.ts";

const LARGEST_F32 = (2 - 2 ** -23) * 2 ** 127;

/** Once per token already present: negative scores times `penalty`, others divided by it. */
export function penalizeRepetition(penalty: number): ScoreProcessor {
  const factor = Math.fround(penalty);
  return (scores, ids) => penalize(ids, factor, scores);
}

/** The opposite for the tokens of the encoder's input. @param inputs [batch] token ids */
export function favourEncoderTokens(
  penalty: number,
  inputs: readonly (readonly number[])[],
): ScoreProcessor {
  const factor = Math.fround(1 / penalty);
  return (scores, _, item) => penalize(inputs[item]!, factor, scores);
}

function penalize(tokens: readonly number[], factor: number, scores: Float32Array): void {
  for (const id of new Set(tokens)) {
    const score = scores[id]!;
    scores[id] = score < 0 ? score * factor : score / factor;
  }
}

/** Adds the bias of each sequence to the token that would complete it; of equal sequences the last one counts. */
export function biasSequences(biases: readonly SequenceBias[]): ScoreProcessor {
  const bySequence = new Map(biases.map(([ids, bias]) => [ids.join(), { ids, bias }]));
  return (scores, decoderIds) => {
    const added = new Map<number, number>();
    for (const { ids, bias } of bySequence.values()) {
      if (!completes(ids, decoderIds)) continue;
      const token = ids.at(-1)!;
      added.set(token, Math.fround((added.get(token) ?? 0) + Math.fround(bias)));
    }
    for (const [token, bias] of added) scores[token]! += bias;
  };
}

/** After `start` generated tokens, the end tokens' scores grow by |score| (factor ** (tokens - start) - 1). */
export function favourEnd(
  [start, factor]: readonly [number, number],
  eosTokenIds: readonly number[],
): ScoreProcessor {
  return (scores, ids) => {
    const over = ids.length - (1 + start);
    if (over <= 0) return;
    const growth = Math.fround(factor ** over - 1);
    for (const id of eosTokenIds) {
      const score = scores[id]!;
      // What is banned stays so: -Infinity + Infinity would be NaN.
      if (score > -Infinity) scores[id] = score + Math.fround(Math.abs(score) * growth);
    }
  };
}

/** NaN becomes 0, what is infinite the end of f32. */
export function removeInvalidValues(scores: Float32Array): void {
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (Number.isFinite(score)) continue;
    scores[i] = Number.isNaN(score) ? 0 : Math.sign(score) * LARGEST_F32;
  }
}
