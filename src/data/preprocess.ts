// Rows to token ids, as the notebook does it (`faithful`) and as it should be done (the default).

import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import { nextTurn } from "../tensor/nextTurn.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Example } from "./collate.ts";
import {
  DEFAULT_COLUMNS,
  formatDatasetDict,
  SPLITS,
  type Columns,
  type Dataset,
  type DatasetDict,
  type Row,
  type Split,
} from "./dataset.ts";
import { fillTemplate, templateColumns, trainingTemplate } from "./prompt.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** The one method of a tokenizer that is needed here. */
export type Encoder = Pick<Tokenizer, "encode">;

export const DEFAULT_MAX_LENGTH = 512;

/** How a row becomes token ids. */
export interface RowEncoding extends Columns {
  /** The notebook's way: everything padded to maxLength, labels with id 0, no attention mask. Default false. */
  readonly faithful?: boolean;
  /** Longest input and label sequence in tokens, the end token included; default 512. */
  readonly maxLength?: number;
  /** Longest input alone; default maxLength. */
  readonly maxSourceLength?: number | undefined;
  /** Longest label sequence alone; default maxLength. */
  readonly maxTargetLength?: number | undefined;
}

/** How `preprocess` makes token ids of rows, and what it tells meanwhile. */
export interface PreprocessOptions extends RowEncoding {
  /** Called after every chunk with the number of rows done. */
  readonly onProgress?: (done: number, total: number) => void;
}

export type TokenizedSplits = { readonly [S in Split]?: readonly Example[] };

/** Rows tokenised between two turns of the event loop. */
const CHUNK = 200;

/**
 * Tokenises one split. By default sequences keep their own length and carry a mask: seq2seqCollate pads each batch.
 * With `faithful`, every sequence has maxLength ids and there is no mask: defaultCollate stacks them.
 * @throws {DatasetError} if a row has no text in a column that is used
 * @throws {ArgumentError} for a template that names no column or a maxLength that is not an integer >= 1
 */
export async function preprocess(
  dataset: Pick<Dataset, "rows">,
  tokenizer: Encoder,
  options: PreprocessOptions = {},
): Promise<Example[]> {
  const rows = rowsOf(dataset);
  const encode = rowEncoder(tokenizer, options);
  const examples: Example[] = [];
  for (let start = 0; start < rows.length; start += CHUNK) {
    examples.push(...encode(rows.slice(start, start + CHUNK), start));
    options.onProgress?.(examples.length, rows.length);
    await nextTurn();
  }
  return examples;
}

/**
 * Rows to examples, `first` being the number of the first row in messages.
 * @throws {ArgumentError} at once, as `preprocess`
 */
export function rowEncoder(
  tokenizer: Encoder,
  options: RowEncoding,
): (rows: readonly Row[], first: number) => Example[] {
  const { faithful = false, maxLength = DEFAULT_MAX_LENGTH } = options;
  const { targetColumn = DEFAULT_COLUMNS.targetColumn } = options;
  const template = trainingTemplate(options);
  const sources = templateColumns(template);
  const { maxSourceLength = maxLength, maxTargetLength = maxLength } = options;
  for (const [name, value] of Object.entries({ maxLength, maxSourceLength, maxTargetLength })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new ArgumentError(`${name}: must be an integer >= 1, got ${value}`);
  }
  const encoding = { padding: faithful ? "max_length" : false, truncation: true } as const;
  return (rows, first) => {
    rows.forEach((row, i) => sources.forEach((column) => textOf(row, first + i, column)));
    const prompts = rows.map((row) => fillTemplate(template, row));
    const targets = rows.map((row, i) => textOf(row, first + i, targetColumn));
    const inputs = tokenizer.encode(prompts, { ...encoding, maxLength: maxSourceLength });
    const labels = tokenizer.encode(targets, { ...encoding, maxLength: maxTargetLength }).inputIds;
    return rows.map((_, i) => {
      const mask = faithful ? {} : { attentionMask: inputs.attentionMask[i]! };
      return { inputIds: inputs.inputIds[i]!, ...mask, labels: labels[i]! };
    });
  };
}

/**
 * Tokenises every split that is there; progress counts the rows of all of them.
 * @param tokenize one split: `preprocess`, or `preprocessCached`
 */
function rowsOf(dataset: Partial<Pick<Dataset, "rows">> | null | undefined): Dataset["rows"] {
  const rows = dataset?.rows;
  const cure = "Pass a split of loadDataset, or { rows: [...] }.";
  requireThat(Array.isArray(rows), "preprocess", "dataset must hold rows", dataset, cure);
  return rows!;
}

export async function preprocessSplits<T extends Encoder>(
  dict: DatasetDict,
  tokenizer: T,
  options: PreprocessOptions = {},
  tokenize: (
    dataset: Dataset,
    tokenizer: T,
    options: PreprocessOptions,
  ) => Promise<Example[]> = preprocess,
): Promise<TokenizedSplits> {
  const total = SPLITS.reduce((sum, split) => sum + (dict[split]?.rows.length ?? 0), 0);
  const tokenized: { [S in Split]?: Example[] } = {};
  let before = 0;
  for (const split of SPLITS) {
    const dataset = dict[split];
    if (dataset === undefined) continue;
    const onProgress = (done: number): void => options.onProgress?.(before + done, total);
    tokenized[split] = await tokenize(dataset, tokenizer, { ...options, onProgress });
    before += dataset.rows.length;
  }
  return tokenized;
}

const SPLIT_TITLES: Readonly<Record<Split, string>> = {
  train: "Training",
  validation: "Validation",
  test: "Test",
};

/** The notebook's cell after preprocessing: the shape of every split, then the tokenised DatasetDict. */
export function shapesCell(splits: TokenizedSplits): string {
  const shapes: string[] = [];
  const dict: { [S in Split]?: { features: string[]; rows: readonly Example[] } } = {};
  for (const split of SPLITS) {
    const rows = splits[split];
    if (rows === undefined) continue;
    const features = featuresOf(rows[0]);
    shapes.push(`${SPLIT_TITLES[split]}: (${rows.length}, ${features.length})`);
    dict[split] = { features, rows };
  }
  return ["Shapes of the datasets:", ...shapes, formatDatasetDict(dict)].join("\n");
}

/** What a reader of the report must know about the way the data was prepared. */
export function modeNote(faithful: boolean): string {
  return faithful
    ? "Prepared as in the notebook: inputs and labels are padded to 512 tokens, labels with the pad id, and there is no " +
        "attention mask. The loss therefore averages over all 512 label positions, more than nine tenths of them padding, " +
        "so it starts high and falls mostly because the model learns to write padding after the end of a summary. " +
        "The encoder reads the padding in training but not when generating, where a mask is inferred from the pad ids."
    : "Prepared the usual way: padding is masked in the inputs and ignored (-100) in the labels, and a batch is only as long " +
        "as its longest row, so the loss is that of the summaries alone and far fewer tokens are computed. The notebook pads " +
        "labels with the pad id and passes no mask, so its loss is mostly about padding and cannot be compared with this one; " +
        "--faithful reproduces it.";
}

function featuresOf(example: Example | undefined): string[] {
  return example?.attentionMask === undefined
    ? ["input_ids", "labels"]
    : ["input_ids", "attention_mask", "labels"];
}

function textOf(row: Row, index: number, column: string): string {
  const cell = row[column];
  if (typeof cell === "string") return cell;
  throw new DatasetError(
    `preprocess: row ${index} must have text in column ${column}, got ${cell === null ? "a missing value" : "no such column"}. ` +
      "Name the columns with sourceColumn and targetColumn, or leave such rows out with skipIncompleteRows of loadDataset.",
  );
}
