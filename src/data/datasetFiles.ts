// Which files of a folder or repository hold which split, by their names, as `datasets` finds them: train.csv,
// data/train-00000-of-00002.parquet, validation/part-1.jsonl.

import { SPLITS, type Split } from "./dataset.ts";

/** The words for each split, best first. */
const WORDS: Readonly<Record<Split, readonly string[]>> = {
  train: ["train", "training"],
  validation: ["validation", "valid", "dev", "val"],
  test: ["test", "testing", "eval", "evaluation"],
};

/** The formats, best first: Parquet only where a split ships nothing else. */
const FORMATS: readonly RegExp[] = [/\.csv$/i, /\.(jsonl|ndjson|json)$/i, /\.parquet$/i];

export type SplitFiles = { readonly [S in Split]?: readonly string[] };

/**
 * The files of each split in the order of their names; a split without files is left out.
 * @param names paths with slashes
 */
export function findSplits(names: readonly string[]): SplitFiles {
  const found: { [S in Split]?: readonly string[] } = {};
  for (const split of SPLITS) {
    for (const [format, word] of pairs(split)) {
      const files = names.filter((name) => format.test(name) && hasWord(name, word)).sort();
      if (files.length === 0) continue;
      found[split] = files;
      break;
    }
  }
  return found;
}

export function isDataFile(name: string): boolean {
  return FORMATS.some((format) => format.test(name));
}

function pairs(split: Split): [RegExp, string][] {
  return FORMATS.flatMap((format) => WORDS[split].map((word): [RegExp, string] => [format, word]));
}

/** Whether a folder on the way has the word for its name, or the file begins with it: train.csv, train-00000-of-1. */
function hasWord(name: string, word: string): boolean {
  const parts = name.toLowerCase().split("/");
  const file = parts.pop()!;
  return parts.includes(word) || new RegExp(`^${word}(?![a-z])`).test(file);
}
