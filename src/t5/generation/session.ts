// What generation asks of a model: next-token logits for rows that each have a history. The model keeps
// the histories (its KV caches); generation decides which token continues each.

/** One batch being decoded. Rows are batch x rowsPerItem, the rows of one item next to each other. */
export interface DecoderSession {
  readonly vocabSize: number;
  /**
   * Feeds the last token of every row.
   * @param tokens [rows] token ids
   * @returns [rows, vocabSize] next-token logits, row-major: a fresh array that the caller may overwrite
   */
  step(tokens: readonly number[] | Int32Array): Promise<Float32Array>;
  /** Feeds the last tokens and gives the argmax of every row, the first index on ties. @returns [rows] */
  stepGreedy(tokens: readonly number[] | Int32Array): Promise<Int32Array>;
  /** Row i goes on from what was row `rows[i]`; both belong to the same item, so the encoder side stays. */
  reorder(rows: readonly number[]): void;
  /** Frees the caches. */
  close(): void;
}

/** Runs the encoder and opens a session of batch x `rowsPerItem` rows. */
export type OpenSession = (rowsPerItem: number) => DecoderSession | Promise<DecoderSession>;

/** What the model says about its sequences. */
export interface GenerationTask {
  /** Items in the batch, at least 1. */
  readonly batchSize: number;
  /** First decoder token of every row (decoder_start_token_id). */
  readonly startTokenId: number;
  /** Any of these ends a sequence. */
  readonly eosTokenIds: readonly number[];
  /** What greedy search and sampling put after the end of a sequence. */
  readonly padTokenId: number;
}

/** Receives tokens as they are chosen (the start token is not among them). */
export interface TokenStreamer {
  /** @param tokens [rows] the newest token of every row; rows that have ended get the pad token */
  put(tokens: number[]): void | Promise<void>;
  /** Called once after the last token, not when generation fails or is aborted. */
  end(): void | Promise<void>;
}

/**
 * To be awaited between two tokens: lets timers, input and messages run, for the cpu device computes
 * synchronously, then throws the signal's reason if it was aborted.
 */
export async function betweenTokens(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resume) => {
    if (typeof setImmediate === "function") setImmediate(resume);
    else setTimeout(resume, 0);
  });
  signal?.throwIfAborted();
}
