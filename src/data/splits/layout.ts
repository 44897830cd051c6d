// Which file of a folder is which split when nothing but names tells: the layouts that `datasets` tries, in its order
// (get_data_patterns of datasets 5.0.1, https://huggingface.co/docs/datasets/repository_structure).

import { SPLITS, type Split } from "../dataset.ts";
import { isDataFile, isReadable, ofOneFormat } from "../files/dataFormat.ts";
import { glob } from "./globPattern.ts";
import { KEYWORDS, SEPARATORS, withStandardNames } from "./splitNames.ts";

/** Names of the files of each split, those of other names (hiddentest) among them. */
export type SplitNames = ReadonlyMap<string, readonly string[]>;

export interface Layout {
  readonly splits: SplitNames;
  /** Sentences on files that a user might expect in a split and that are not read, or read twice. */
  readonly remarks: readonly string[];
}

const FIVE = "[0-9]".repeat(5);
const SHARDS = `data/*-${FIVE}-of-${FIVE}*.*`;

type Patterns = (word: string) => readonly string[];
const IN_FOLDER: Patterns = (word) => [
  `**/${word}/**`,
  `**/${word}${SEPARATORS}*/**`,
  `**/*${SEPARATORS}${word}/**`,
  `**/*${SEPARATORS}${word}${SEPARATORS}*/**`,
];
const IN_FILE: Patterns = (word) => [
  `**/${word}${SEPARATORS}*`,
  `**/*${SEPARATORS}${word}${SEPARATORS}*`,
];

/**
 * The splits of the first layout that has any: data/<split>-00000-of-00001.*, then words of splits in names of folders,
 * then in names of files, then every file as train.
 * @param names paths with slashes, of any files
 */
export function findLayout(names: readonly string[]): Layout {
  const files = names.filter(isDataFile);
  const sharded = shards(files);
  // What cannot be the name of a split, as notes-train, is left to the words in it.
  const isNamed = [...sharded.keys()].every((split) => /^\w+(\.\w+)*$/u.test(split));
  const layouts = [
    ...[isNamed ? sharded : new Map<string, string[]>()],
    ...[byKeyword(files, IN_FOLDER), byKeyword(files, IN_FILE)],
    sharded.size > 0 ? sharded : new Map([["train", glob(files, "**")]]),
  ];
  const splits = layouts.find((layout) => layout.size > 0 && [...layout.values()][0]!.length > 0);
  if (splits === undefined) return { splits: new Map(), remarks: [] };
  const named = layouts.slice(0, -1).flatMap((layout) => [...layout.values()].flat());
  return readableFiles(splits, named);
}

/** Without files of other formats, and with remarks on what is left out and what is there twice. */
export function readableFiles(
  splits: SplitNames,
  expected: readonly string[] = [...splits.values()].flat(),
): Layout {
  const read = new Map([...splits].map(([split, files]) => [split, chosen(files)]));
  const all = [...read.values()].flat();
  const remarks = [...new Set(all)]
    .filter((file) => all.indexOf(file) !== all.lastIndexOf(file))
    .map((file) => `${file} is in ${inSplits(read, file)}: each of these words is in its name`);
  const leftOut = new Set(expected.filter((file) => isReadable(file) && !all.includes(file)));
  if (leftOut.size > 0) {
    remarks.push(
      `left out ${[...leftOut].join(", ")}: other files come first (docs/guide/data.md#which-file-is-which-split)`,
    );
  }
  return { splits: read, remarks };
}

function chosen(files: readonly string[]): readonly string[] {
  const readable = files.filter(isReadable);
  return readable.length === 0 ? files : ofOneFormat(readable);
}

function inSplits(splits: SplitNames, file: string): string {
  return [...splits].flatMap(([split, files]) => (files.includes(file) ? split : [])).join(" and ");
}

/** Files that tell their split in full, whatever its name: data/hiddentest-00000-of-00001.parquet. */
function shards(files: readonly string[]): SplitNames {
  const splits = new Map<string, string[]>();
  for (const file of glob(files, SHARDS)) {
    const split = /^data\/(.*)-\d{5}-of-\d{5}[^/]*$/s.exec(file)![1]!;
    splits.set(split, [...(splits.get(split) ?? []), file]);
  }
  return withStandardNames(splits);
}

function byKeyword(files: readonly string[], patterns: Patterns): SplitNames {
  const splits = new Map<Split, readonly string[]>();
  for (const split of SPLITS) {
    const found = KEYWORDS[split]
      .flatMap(patterns)
      .flatMap((pattern) => glob(files, pattern, true));
    // A file that two words or patterns of a split match (eval/test/a.csv) is read once; datasets reads it twice.
    if (found.length > 0) splits.set(split, [...new Set(found)]);
  }
  return splits;
}
