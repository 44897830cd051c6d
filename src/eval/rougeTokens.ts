// Text to tokens as rouge_score does it (rouge/tokenize.py and rouge_scorer.py of google-research).

import { porterStem } from "./porter.ts";

/** rouge_score leaves shorter tokens as they are. */
const SHORTEST_STEMMED = 4;
/** Far above the vocabulary of a dataset; bounds the memory of a process that scores for days. */
const MAX_CACHED_STEMS = 1 << 17;

const stems = new Map<string, string>();

/**
 * The runs of a-z and 0-9 in the lower-cased text: "#Person1#" gives "person1".
 * @param useStemmer replaces each token of 4 letters or more by its Porter stem
 */
export function rougeTokens(text: string, useStemmer: boolean): string[] {
  const tokens: string[] = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return useStemmer ? tokens.map(stem) : tokens;
}

/** Sentences for rougeLsum: one a line, as many as are not empty. */
export function rougeSentences(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function stem(token: string): string {
  if (token.length < SHORTEST_STEMMED) return token;
  let found = stems.get(token);
  if (found === undefined) {
    found = porterStem(token);
    if (stems.size >= MAX_CACHED_STEMS) stems.clear();
    stems.set(token, found);
  }
  return found;
}
