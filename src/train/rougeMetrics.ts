// ROUGE of what an evaluation generated, so that it can choose the best model.

import { rouge } from "../eval/rouge.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { IGNORE_INDEX } from "../kernels/rows/crossEntropy.ts";
import type { ComputeMetrics } from "./evaluate.ts";

/** What is needed of a tokenizer. */
export type Decoder = Pick<Tokenizer, "decode"> & { readonly padTokenId: number };

/**
 * `computeMetrics` that gives rouge1, rouge2, rougeL and rougeLsum (0 to 1, as `evaluate` reports them: stemmer on,
 * mid of the bootstrap with seed 42) and gen_len, the mean number of tokens generated, without padding.
 * @param onTexts gets the decoded texts, one a row, before they are scored
 */
export function rougeMetrics(
  tokenizer: Decoder,
  onTexts: (predictions: readonly string[], references: readonly string[]) => void = () =>
    undefined,
): ComputeMetrics {
  const decode = (ids: readonly number[]): string =>
    tokenizer.decode(
      ids.filter((id) => id !== IGNORE_INDEX),
      { skipSpecialTokens: true },
    );
  return ({ predictions, labelIds }) => {
    const texts = predictions.map(decode);
    const references = labelIds.map(decode);
    onTexts(texts, references);
    const lengths = predictions.map(
      (ids) => ids.filter((id) => id !== tokenizer.padTokenId).length,
    );
    return {
      ...rouge(texts, references, { useAggregator: true, useStemmer: true }),
      gen_len: lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
    };
  };
}
