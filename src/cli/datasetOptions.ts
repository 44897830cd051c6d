// The flags that say which dataset, which columns of it and which prompt: shared by every command that reads one.

import { Option } from "commander";
import {
  SPLITS,
  type Columns,
  type Dataset,
  type DatasetDict,
  type Row,
  type Split,
} from "../data/dataset.ts";
import { loadDataset, streamDataset, type LoadDatasetOptions } from "../data/loadDataset.ts";
import { downloadBar } from "./hub.ts";
import { templateOption } from "./templateOption.ts";

export interface DatasetFlags {
  readonly dataset: string;
  readonly datasetRevision?: string;
  readonly datasetConfig?: string;
  readonly sourceColumn?: string | undefined;
  readonly targetColumn?: string;
  readonly promptTemplate?: string;
  readonly skipIncompleteRows?: boolean;
  readonly trainFile?: string;
  readonly validationFile?: string;
  readonly testFile?: string;
}

/** What --dataset takes. */
export const DATASET_HELP =
  "folder with train, validation and test as .csv, .tsv, .jsonl, .json, .parquet or .arrow, or Hub id such as knkarthick/dialogsum";

export const columnOptions = (): Option[] => [
  ...SPLITS.map((split) =>
    new Option(
      `--${split}-file <file>`,
      `file of the split ${split}, in place of --dataset`,
    ).conflicts("dataset"),
  ),
  new Option(
    "--dataset-revision <name>",
    "branch, tag or commit of a dataset from the Hub (default: main)",
  ),
  new Option(
    "--dataset-config <name>",
    "configuration of the dataset, where its README.md lists several",
  ),
  new Option(
    "--source-column <name>",
    "column that goes into the notebook's prompt (default: dialogue)",
  ),
  new Option("--target-column <name>", "column with the text to write (default: summary)"),
  templateOption(
    "--prompt-template <text>",
    "another prompt, with {column} where a column's text goes",
  ).conflicts("sourceColumn"),
  new Option(
    "--skip-incomplete-rows",
    "leave out rows without text in a column that is used, and say how many there were",
  ),
];

/** Of commands that tokenise whole datasets. */
export const cacheOption = (): Option =>
  new Option(
    "--no-cache",
    "tokenise anew, and keep no tokens for the next time (docs/guide/data.md)",
  );

export function columnsOf(flags: DatasetFlags): Columns {
  const { sourceColumn, targetColumn, promptTemplate: template } = flags;
  return { sourceColumn, targetColumn, template };
}

/** Loads the dataset; what is missing is downloaded with a bar. @param used splits and rows that the command uses */
export function fetchDataset(
  flags: DatasetFlags,
  signal: AbortSignal,
  used: Pick<LoadDatasetOptions, "splits" | "maxRows"> = {},
): Promise<DatasetDict> {
  const files = filesOf(flags);
  return withBar(flags, signal, async (options) => {
    if (files.size === 0) return loadDataset(flags.dataset, { ...options, ...used });
    const dict: { [S in Split]?: Dataset } = {};
    for (const [split, file] of files) {
      if (used.splits?.includes(split) === false) continue;
      const maxRows = { train: used.maxRows?.[split] };
      dict[split] = (await loadDataset(file, { ...options, maxRows })).train!;
    }
    return dict;
  });
}

/** The rows of one split as a stream; what is missing is downloaded with a bar. */
export function fetchStream(
  flags: DatasetFlags,
  split: Split,
  signal: AbortSignal,
): Promise<AsyncIterable<Row>> {
  const file = filesOf(flags).get(split);
  return withBar(flags, signal, (options) =>
    file === undefined
      ? streamDataset(flags.dataset, split, options)
      : streamDataset(file, "train", options),
  );
}

/** What the data of a run is called: the dataset, or the files in its place. */
export function datasetName(flags: DatasetFlags): string {
  const files = [...filesOf(flags).values()];
  return files.length === 0 ? flags.dataset : files.join(", ");
}

/** The files that stand for splits; each, by itself, is a dataset with the one split train. */
function filesOf(flags: DatasetFlags): ReadonlyMap<Split, string> {
  const { trainFile, validationFile, testFile } = flags;
  const files = { train: trainFile, validation: validationFile, test: testFile };
  return new Map(
    SPLITS.flatMap((split) => (files[split] === undefined ? [] : [[split, files[split]]])),
  );
}

async function withBar<T>(
  flags: DatasetFlags,
  signal: AbortSignal,
  read: (options: LoadDatasetOptions) => Promise<T>,
): Promise<T> {
  const bar = downloadBar(flags.dataset);
  try {
    return await read({
      ...columnsOf(flags),
      skipIncompleteRows: flags.skipIncompleteRows,
      revision: flags.datasetRevision,
      datasetConfig: flags.datasetConfig,
      signal,
      onProgress: bar.onProgress,
    });
  } finally {
    bar.stop();
  }
}
