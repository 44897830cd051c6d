// gradloom evaluate: ROUGE of a model's summaries on a split of a dataset.

import { Command } from "commander";
import { bootstrapAggregate, rougeMeans, rougeSamples } from "../eval/rouge.ts";
import { openDevice } from "../kernels/openDevice.ts";
import { T5ForConditionalGeneration } from "../t5/model.ts";
import { Tokenizer } from "../t5/tokenizer.ts";
import { DatasetError } from "../tensor/errors.ts";
import { loadDataset, SPLITS, type Split } from "../train/csvDataset.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import { deviceOption, interruptSignal, jsonOption, wholeNumber } from "./options.ts";
import { Output } from "./output.ts";
import { startProgress } from "./progress.ts";
import { summarizeRows } from "./summaries.ts";
import { Option } from "commander";

interface EvaluateOptions {
  readonly model: string;
  readonly revision?: string;
  readonly dataset: string;
  readonly split: Split;
  readonly rows?: number;
  readonly batchSize: number;
  readonly device: "cpu" | "webgpu" | "auto";
  readonly maxNewTokens: number;
  readonly numBeams: number;
  readonly json: boolean;
}

export function evaluateCommand(): Command {
  return new Command("evaluate")
    .description("ROUGE of a model's summaries on a split of a dataset")
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .option(
      "--dataset <folder>",
      "folder with train.csv, validation.csv, test.csv",
      EXAMPLE_DATASET,
    )
    .addOption(new Option("--split <name>", "which split").choices(SPLITS).default("test"))
    .option("--rows <n>", "only the first rows of the split", wholeNumber(1))
    .option("--batch-size <n>", "dialogues generated side by side", wholeNumber(1), 8)
    .addOption(deviceOption())
    .option("--max-new-tokens <n>", "longest summary in tokens", wholeNumber(1), 200)
    .option("--num-beams <n>", "beams; 1 is greedy", wholeNumber(1), 1)
    .addOption(jsonOption())
    .action((options: EvaluateOptions) => evaluate(options));
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const output = new Output(options.json);
  const dataset = (await loadDataset(options.dataset))[options.split];
  if (dataset === undefined) {
    throw new DatasetError(
      `evaluate: ${options.dataset} must hold ${options.split}.csv, and does not. Choose another --split.`,
    );
  }
  const rows = dataset.rows.slice(0, options.rows);
  const signal = interruptSignal();
  const folder = await fetchModel(options.model, { revision: options.revision, signal });
  const device = await openDevice(options.device);
  const tokenizer = await Tokenizer.fromPretrained(folder);
  const model = await T5ForConditionalGeneration.fromPretrained(folder, { device });
  const progress = startProgress("summaries", rows.length);
  const predictions = await summarizeRows(model, tokenizer, rows, {
    batchSize: options.batchSize,
    generation: { maxNewTokens: options.maxNewTokens, numBeams: options.numBeams },
    signal,
    onProgress: (done) => progress.update(done),
  });
  progress.stop();
  const references = rows.map((row) => row.summary ?? "");
  const samples = rougeSamples(predictions, references, { useStemmer: true });
  const means = rougeMeans(samples);
  const intervals = bootstrapAggregate(samples);
  const types = Object.keys(intervals) as (keyof typeof intervals)[];
  output.table(
    ["ROUGE F", "mid (evaluate)", "95% interval", "mean"],
    types.map((type) => {
      const { low, mid, high } = intervals[type];
      const interval = `${low.fmeasure.toFixed(4)} to ${high.fmeasure.toFixed(4)}`;
      return [type, mid.fmeasure.toFixed(4), interval, means[type].fmeasure.toFixed(4)];
    }),
  );
  output.result({ model: options.model, rows: rows.length, intervals, means, predictions });
  await device.close();
}
