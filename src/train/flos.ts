// Floating-point operations of training by the usual estimate, 6 a parameter and input token (Kaplan et
// al. 2020, arXiv 2001.08361, section 2.1), counted as transformers' floating_point_ops does.

import type { Tensor } from "../tensor/tensor.ts";

/** Weights of transformers' nn.Embedding modules in T5: tokens, and the two tables of position buckets. */
const EMBEDDING = /(^|\.)(shared|embed_tokens|relative_attention_bias)\.weight$/;

/** Number of weights outside embeddings. An untied output projection counts, for it is no embedding. */
export function countWithoutEmbeddings(parameters: ReadonlyMap<string, Tensor>): number {
  return [...parameters]
    .filter(([name]) => !EMBEDDING.test(name))
    .reduce((sum, [, { size }]) => sum + size, 0);
}

/**
 * Operations of forward and backward over one batch.
 * @param inputIds [B, S]: padding counts, labels do not
 * @param weights from {@link countWithoutEmbeddings}
 */
export function trainingFlos(inputIds: readonly (readonly number[])[], weights: number): number {
  const tokens = inputIds.reduce((sum, row) => sum + row.length, 0);
  return 6 * tokens * weights;
}
