// A tokenizer to follow by hand: one id a word, its length plus ten; then the end token 1. Pads with 0, as T5's do.

import type { Encoder } from "../../src/data/preprocess.ts";

export const wordLengths: Encoder = {
  encode(texts, { padding = false, truncation = false, maxLength = 512 } = {}) {
    const rows = [texts].flat().map((text) => {
      const words = text.split(/\s+/).filter((word) => word !== "");
      const ids = words
        .map((word) => word.length + 10)
        .slice(0, truncation ? maxLength - 1 : undefined);
      return [...ids, 1];
    });
    const fill = (row: number[]) =>
      new Array<number>(padding === "max_length" ? maxLength - row.length : 0).fill(0);
    return {
      inputIds: rows.map((row) => [...row, ...fill(row)]),
      attentionMask: rows.map((row) => [...row.map(() => 1), ...fill(row)]),
    };
  },
};
