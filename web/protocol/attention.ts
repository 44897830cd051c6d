// Cross-attention of a summary over its dialogue.

export interface AttentionRequest {
  readonly dialogue: string;
  /** Of `Summary.ids`. */
  readonly summaryIds: readonly number[];
  /** From 0. */
  readonly layer: number;
  /** From 0. */
  readonly head: number;
}

export interface AttentionMap {
  /** Pieces of the encoder's input. */
  readonly sources: readonly string[];
  /** Pieces that were written; row t says where the model looked while writing targets[t]. */
  readonly targets: readonly string[];
  /** [targets, sources]; rows sum to 1. */
  readonly weights: Float32Array;
}
