// Options of generate(): names and defaults of transformers' GenerationConfig (4.57 to 5.17) in camelCase.

import type { TokenStreamer } from "./session.ts";

/**
 * transformers' GenerationConfig in camelCase. What is left out comes from the model's generation_config.json, then from
 * the defaults here.
 */
export interface GenerationOptions {
  /** Most tokens to generate, >= 1. Default 20. Goes before `maxLength`. */
  readonly maxNewTokens?: number | undefined;
  /** Greatest decoder length in tokens with the start token, >= 2. */
  readonly maxLength?: number | undefined;
  /** No end token before this many tokens were generated. Default 0. Goes before `minLength`. */
  readonly minNewTokens?: number | undefined;
  /** No end token while the decoder length, start token included, is below this. */
  readonly minLength?: number | undefined;
  /** Beams per item, 1 to 4096; 1 (the default) is greedy search, or sampling. */
  readonly numBeams?: number | undefined;
  /** Beam scores are log-probabilities divided by (generated length) ** lengthPenalty. Default 1. */
  readonly lengthPenalty?: number | undefined;
  /**
   * When beam search stops: true as soon as numBeams sequences have ended; false (the default) when the
   * best running beam would not improve on them now; "never" when it could not at any length.
   */
  readonly earlyStopping?: boolean | "never" | undefined;
  /** Sequences returned per item: at most numBeams, or up to 4096 when sampling without beams. Default 1. */
  readonly numReturnSequences?: number | undefined;
  /** Draw tokens at random instead of taking the likeliest. Default false. */
  readonly doSample?: boolean | undefined;
  /** Sampling only: divides the logits, > 0. Default 1. */
  readonly temperature?: number | undefined;
  /** Sampling only: keep the k likeliest tokens (ties too); 0 keeps all. Default 50. */
  readonly topK?: number | undefined;
  /** Sampling only: keep the likeliest tokens that together reach this probability, in (0, 1]. Default 1. */
  readonly topP?: number | undefined;
  /** Sampling only: drop tokens less likely than this share of the likeliest one's probability, in [0, 1]; null (the default) is off. */
  readonly minP?: number | null | undefined;
  /**
   * Sampling only: keep tokens whose information is nearest to the entropy, until they reach this probability, in (0, 1]
   * (locally typical sampling, arXiv 2202.00666). Default 1: all.
   */
  readonly typicalP?: number | undefined;
  /**
   * Sampling only: of the 100 likeliest tokens keep the first that hold this share of their entropy, in (0, 1] (top-H
   * sampling); null (the default) is off.
   */
  readonly topH?: number | null | undefined;
  /** Sampling only: drop tokens less likely than this, in [0, 1) (arXiv 2210.15191). Default 0. */
  readonly epsilonCutoff?: number | undefined;
  /** Sampling only: drop tokens less likely than min(eta, sqrt(eta) exp(-entropy)), eta in [0, 1) (arXiv 2210.15191). Default 0. */
  readonly etaCutoff?: number | undefined;
  /** Makes tokens already in the decoder sequence less likely when > 1. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** No n tokens in a row occur twice in the decoder sequence; 0 (the default) is off. */
  readonly noRepeatNgramSize?: number | undefined;
  /** Makes tokens of the encoder's input likelier when > 1. Default 1. */
  readonly encoderRepetitionPenalty?: number | undefined;
  /** No n tokens in a row of the encoder's input occur in the decoder sequence; 0 (the default) is off. */
  readonly encoderNoRepeatNgramSize?: number | undefined;
  /** Sequences of tokens that never occur. A single end token among them is left out, as in transformers. */
  readonly badWordsIds?: readonly (readonly number[])[] | undefined;
  /** `[ids, bias]`: the bias is added to the score of the token that would complete the ids. Of equal ids the last one counts. */
  readonly sequenceBias?: readonly SequenceBias[] | undefined;
  /** Tokens that never occur. */
  readonly suppressTokens?: readonly number[] | undefined;
  /** Tokens that are not the first to be generated (not the first after `forcedBosTokenId`, where there is one). */
  readonly beginSuppressTokens?: readonly number[] | undefined;
  /** The first token to be generated; null (the default) for any. */
  readonly forcedBosTokenId?: number | null | undefined;
  /** The last token of a sequence that reaches the greatest length, or several to choose from; null (the default) for any. */
  readonly forcedEosTokenId?: number | readonly number[] | null | undefined;
  /** `[start, factor]`: after `start` tokens the end tokens' scores grow by `|score| (factor ** (tokens - start) - 1)`; null is off. */
  readonly exponentialDecayLengthPenalty?:
    readonly [start: number, factor: number] | null | undefined;
  /** Takes NaN among the scores for 0 and infinite ones for the ends of f32, instead of an error. Default false. */
  readonly removeInvalidValues?: boolean | undefined;
  /** Takes the log-softmax of the scores once more after all that changes them. Default false. */
  readonly renormalizeLogits?: boolean | undefined;
  /** Seconds after which sequences end with the token at hand; null (the default) is without end. */
  readonly maxTime?: number | null | undefined;
  /**
   * The tokens that may come next, at least one: constrained generation. Awaits nothing.
   * @param item index of the input in its batch
   * @param ids the decoder's tokens so far, start token first
   */
  readonly prefixAllowedTokensFn?:
    ((item: number, ids: readonly number[]) => readonly number[]) | undefined;
  /** Seed of the draws, an integer >= 0. Without one every call draws anew. */
  readonly seed?: number | undefined;
  /** Receives tokens as they are chosen; not with beams. */
  readonly streamer?: TokenStreamer | ((tokens: number[]) => unknown) | undefined;
  /** Aborting it rejects generate() with the signal's reason, at the next token. */
  readonly signal?: AbortSignal | undefined;
  /** Return `{ sequences, sequencesScores }` instead of the sequences alone. Default false. */
  readonly returnDictInGenerate?: boolean | undefined;
}

/** Tokens in a row, and what is added to the score of the last one of them. */
export type SequenceBias = readonly [ids: readonly number[], bias: number];

export type OptionName = keyof GenerationOptions;
