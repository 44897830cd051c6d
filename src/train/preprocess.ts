// Rows to token ids, as the notebook does it (`faithful`) and as it should be done (the default).

import { ArgumentError, DatasetError } from "../tensor/errors.ts";
import type { Tokenizer } from "../t5/tokenizer.ts";
import type { Example } from "./collate.ts";
import {
  DEFAULT_COLUMNS,
  formatDatasetDict,
  SPLITS,
  type Columns,
  type Dataset,
  type DatasetDict,
  type Split,
} from "./csvDataset.ts";
import { fillTemplate, TRAINING_TEMPLATE } from "./prompt.ts";

/** The one method of a tokenizer that is needed here. */
export type Encoder = Pick<Tokenizer, "encode">;

export interface PreprocessOptions extends Columns {
  /** The notebook's way: everything padded to maxLength, labels with id 0, no attention mask. Default false. */
  readonly faithful?: boolean;
  /** Prompt with `{dialogue}` in it, default the notebook's. */
  readonly template?: string;
  /** Longest input and label sequence in tokens, the end token included; default 512. */
  readonly maxLength?: number;
  /** Called after every chunk with the number of rows done. */
  readonly onProgress?: (done: number, total: number) => void;
}

export type TokenizedSplits = { readonly [S in Split]?: readonly Example[] };

/** Rows tokenised between two turns of the event loop. */
const CHUNK = 200;

/**
 * Tokenises one split. By default sequences keep their own length and carry a mask: seq2seqCollate pads each batch.
 * With `faithful`, every sequence has maxLength ids and there is no mask: defaultCollate stacks them.
 * @throws {DatasetError} if a row has no text in the source or target column
 * @throws {ArgumentError} for a template without `{dialogue}` or a maxLength that is not an integer >= 1
 */
export async function preprocess(
  { rows }: Pick<Dataset, "rows">,
  tokenizer: Encoder,
  options: PreprocessOptions = {},
): Promise<Example[]> {
  const { faithful = false, template = TRAINING_TEMPLATE, maxLength = 512, onProgress } = options;
  const { sourceColumn, targetColumn } = { ...DEFAULT_COLUMNS, ...options };
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new ArgumentError(`maxLength: must be an integer >= 1, got ${maxLength}`);
  }
  const encoding = {
    padding: faithful ? "max_length" : false,
    truncation: true,
    maxLength,
  } as const;
  const examples: Example[] = [];
  for (let start = 0; start < rows.length; start += CHUNK) {
    const indices = rows.slice(start, start + CHUNK).map((_, i) => start + i);
    const text = (i: number, column: string): string => textOf(rows[i]![column], i, column);
    const inputs = tokenizer.encode(
      indices.map((i) => fillTemplate(template, text(i, sourceColumn))),
      encoding,
    );
    const labels = tokenizer.encode(
      indices.map((i) => text(i, targetColumn)),
      encoding,
    ).inputIds;
    for (let i = 0; i < indices.length; i++) {
      const mask = faithful ? {} : { attentionMask: inputs.attentionMask[i]! };
      examples.push({ inputIds: inputs.inputIds[i]!, ...mask, labels: labels[i]! });
    }
    onProgress?.(examples.length, rows.length);
    await nextTurn();
  }
  return examples;
}

/** Tokenises every split that is there; progress counts the rows of all of them. */
export async function preprocessSplits(
  dict: DatasetDict,
  tokenizer: Encoder,
  options: PreprocessOptions = {},
): Promise<TokenizedSplits> {
  const total = SPLITS.reduce((sum, split) => sum + (dict[split]?.rows.length ?? 0), 0);
  const tokenized: { [S in Split]?: Example[] } = {};
  let before = 0;
  for (const split of SPLITS) {
    const dataset = dict[split];
    if (dataset === undefined) continue;
    const onProgress = (done: number): void => options.onProgress?.(before + done, total);
    tokenized[split] = await preprocess(dataset, tokenizer, { ...options, onProgress });
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

function textOf(cell: string | null | undefined, index: number, column: string): string {
  if (typeof cell === "string") return cell;
  throw new DatasetError(
    `preprocess: row ${index} must have text in column ${column}, got ${cell === null ? "a missing value" : "no such column"}. ` +
      "Name the columns with sourceColumn and targetColumn.",
  );
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
