// The words by which `datasets` knows a split in the name of a file or folder.

import type { Split } from "../dataset.ts";

/** The words for each split, best first (datasets' SPLIT_KEYWORDS). */
export const KEYWORDS: Readonly<Record<Split, readonly string[]>> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "dev", "val"],
  test: ["test", "testing", "eval", "evaluation"],
};

/** What may stand before and after a word, as a set of a glob pattern. */
export const SEPARATORS = "[-._ 0-9]";

/**
 * The given splits, with one that is named by another word of a split (dev) under that split's name (validation), unless
 * there is one of that name itself. Two splits are never joined.
 */
export function withStandardNames<T>(splits: ReadonlyMap<string, T>): Map<string, T> {
  const standard = new Map<string, string>();
  for (const [split, words] of Object.entries(KEYWORDS)) {
    const name = words.find((word) => splits.has(word));
    if (name !== undefined) standard.set(name, split);
  }
  return new Map([...splits].map(([name, value]) => [standard.get(name) ?? name, value]));
}
