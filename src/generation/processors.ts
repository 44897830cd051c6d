// The processors of a plan, in transformers' order (_get_logits_processor of generation/utils.py, 5.17).

import { ArgumentError } from "../tensor/errors.ts";
import {
  allowOnly,
  banEncoderNgrams,
  banEndBefore,
  banRepeatedNgrams,
  banTokens,
  banWords,
  forceTokens,
} from "./bans.ts";
import {
  biasSequences,
  favourEncoderTokens,
  favourEnd,
  penalizeRepetition,
  removeInvalidValues,
} from "./penalties.ts";
import type { GenerationPlan } from "./plan.ts";
import type { ScoreProcessor } from "./scoreProcessor.ts";
import { logSoftmax } from "./scores.ts";
import type { GenerationTask } from "./session.ts";
import { warpersFor } from "./warpers.ts";

export interface Processors {
  /** In the order in which they must run. */
  readonly all: readonly ScoreProcessor[];
  /** Whether the first of them may look at any score; else all that they keep are the k best. */
  readonly readAll: boolean;
}

/**
 * The processors that a plan asks for.
 * @param vocabSize scores of a row
 * @throws {ArgumentError} for a token to force or to bias that is not in the vocabulary
 */
export function processorsFor(
  plan: GenerationPlan,
  task: GenerationTask,
  vocabSize: number,
): Processors {
  checkVocabulary(plan, vocabSize);
  const adjusters = adjustersFor(plan, task);
  // Beams need a token that goes on as well as those that end.
  const leastKept = plan.numBeams > 1 ? task.eosTokenIds.length + 1 : 1;
  const all = [...adjusters, ...(plan.doSample ? warpersFor(plan, leastKept) : [])];
  if (plan.renormalizeLogits) all.push(logSoftmax);
  return { all, readAll: adjusters.length > 0 || plan.topH !== null };
}

/** All that runs without sampling too. */
function adjustersFor(plan: GenerationPlan, task: GenerationTask): readonly ScoreProcessor[] {
  const { eosTokenIds, inputIds } = task;
  const isEnd = (word: readonly number[]) => word.length === 1 && eosTokenIds.includes(word[0]!);
  const words = plan.badWordsIds.filter((word) => !isEnd(word));
  const first = plan.forcedBosTokenId === null ? 1 : 2;
  const list: ScoreProcessor[] = [];
  if (plan.sequenceBias.length > 0) list.push(biasSequences(plan.sequenceBias));
  if (plan.encoderRepetitionPenalty !== 1) {
    list.push(favourEncoderTokens(plan.encoderRepetitionPenalty, inputIds));
  }
  if (plan.repetitionPenalty !== 1) list.push(penalizeRepetition(plan.repetitionPenalty));
  if (plan.noRepeatNgramSize > 0) list.push(banRepeatedNgrams(plan.noRepeatNgramSize));
  if (plan.encoderNoRepeatNgramSize > 0) {
    list.push(banEncoderNgrams(plan.encoderNoRepeatNgramSize, inputIds));
  }
  if (words.length > 0) list.push(banWords(words));
  if (plan.minLength > 0) list.push(banEndBefore(plan.minLength, eosTokenIds));
  if (plan.prefixAllowedTokensFn) list.push(allowOnly(plan.prefixAllowedTokensFn));
  if (plan.forcedBosTokenId !== null) list.push(forceTokens([plan.forcedBosTokenId], 1));
  if (plan.forcedEosTokenIds.length > 0) {
    list.push(forceTokens(plan.forcedEosTokenIds, plan.maxLength - 1));
  }
  if (plan.removeInvalidValues) list.push(removeInvalidValues);
  if (plan.exponentialDecayLengthPenalty !== null) {
    list.push(favourEnd(plan.exponentialDecayLengthPenalty, eosTokenIds));
  }
  if (plan.suppressTokens.length > 0) list.push(banTokens(plan.suppressTokens));
  if (plan.beginSuppressTokens.length > 0) list.push(banTokens(plan.beginSuppressTokens, first));
  return list;
}

function checkVocabulary(plan: GenerationPlan, vocabSize: number): void {
  const used: readonly (readonly [name: string, ids: readonly number[]])[] = [
    ["forcedBosTokenId", plan.forcedBosTokenId === null ? [] : [plan.forcedBosTokenId]],
    ["forcedEosTokenId", plan.forcedEosTokenIds],
    ["badWordsIds", plan.badWordsIds.flat()],
    ["sequenceBias", plan.sequenceBias.flatMap(([ids]) => ids)],
  ];
  for (const [name, ids] of used) {
    const outside = ids.find((id) => id >= vocabSize);
    if (outside === undefined) continue;
    throw new ArgumentError(
      `generate: ${name} must hold token ids below the vocabulary's size ${vocabSize}, got ${outside}`,
    );
  }
}
