// What generation asks of a model: next-token logits for rows that each have a history. The model keeps
// the histories (its KV caches); generation decides which token continues each.

import { nextTurn } from "../tensor/nextTurn.ts";

/** How large a session may become. */
export interface SessionSize {
  /** Most items at a time. */
  readonly items: number;
  /** Rows (beams, samples) of each. */
  readonly rowsPerItem: number;
}

/** A batch being decoded. Its rows come with their items and leave one by one; those of one item stay next to each other. */
export interface DecoderSession {
  readonly vocabSize: number;
  /**
   * Steps of `greedy` worth taking before anybody looks whether the rows have ended: 1, and more where each look
   * waits for the device.
   */
  readonly lookahead: number;
  /**
   * Encodes items of the task, and adds `rowsPerItem` rows of each behind those that are there.
   * @param items their indices
   * @param next indices of those that come later, in their order: the session may encode some of them along
   */
  admit(items: readonly number[], next?: readonly number[]): void;
  /** Feeds the last token of every row. @param tokens [rows] token ids */
  feed(tokens: readonly number[] | Int32Array): void;
  /** Next-token logits after `feed`: [rows, vocabSize], a fresh array that the caller may overwrite. */
  logits(): Promise<Float32Array>;
  /** The k best next tokens of every row after `feed`; only these leave the device. @param k 1..vocabSize */
  top(k: number, scores: "logits" | "logProbabilities"): Promise<TopScores>;
  /**
   * Feeds the last tokens, and then `count` - 1 times what was best: the argmax of every row, the first index on ties.
   * @param count 1 or more
   * @returns [count][rows]
   */
  greedy(tokens: readonly number[] | Int32Array, count: number): Promise<Int32Array[]>;
  /**
   * Row i goes on from what was row `rows[i]`, and rows that are not named leave. A row may be named several times, in place of
   * others of its item.
   */
  keep(rows: readonly number[]): void;
  /** Frees the caches. */
  close(): void;
}

/** The best tokens of every row, best first, of equal ones the first. NaN counts as best. */
export interface TopScores {
  /** [rows, k] */
  readonly values: Float32Array;
  /** [rows, k] token ids */
  readonly indices: Int32Array;
}

/** Opens a session that has no rows yet. */
export type OpenSession = (size: SessionSize) => DecoderSession | Promise<DecoderSession>;

/** What the model says about its sequences. */
export interface GenerationTask {
  /** Items in the batch, at least 1. */
  readonly batchSize: number;
  /** [batch] ids of the encoder's input, pads included. */
  readonly inputIds: readonly (readonly number[])[];
  /** First decoder token of every row (decoder_start_token_id). */
  readonly startTokenId: number;
  /** Any of these ends a sequence. */
  readonly eosTokenIds: readonly number[];
  /** What greedy search and sampling put after the end of a sequence. */
  readonly padTokenId: number;
}

/** Receives tokens as they are chosen (the start token is not among them). */
export interface TokenStreamer {
  /**
   * Called once before the first token, and awaited.
   * @param tokens [rows] what the decoder begins with: its start token
   */
  prompt?(tokens: number[]): unknown;
  /**
   * Called for each token, and awaited.
   * @param tokens [rows] the newest token of every row; rows that have ended get the pad token
   */
  put(tokens: number[]): unknown;
  /** Called once after the last token, not when generation fails or is aborted. */
  end(): unknown;
}

/**
 * To be awaited between two tokens: lets timers, input and messages run, for the cpu device computes
 * synchronously, then throws the signal's reason if it was aborted.
 */
export async function betweenTokens(signal: AbortSignal | undefined): Promise<void> {
  await nextTurn();
  signal?.throwIfAborted();
}
