// gradloom evaluate: ROUGE of a model's summaries on a split of a dataset.

import { Command, Option } from "commander";
import { bootstrapAggregate, rougeMeans, rougeSamples } from "../eval/rouge.ts";
import { DatasetError } from "../tensor/errors.ts";
import { SPLITS, type Split } from "../data/dataset.ts";
import { targetText } from "../data/prompt.ts";
import { configOptions } from "./commandLine/options.ts";
import {
  columnOptions,
  columnsOf,
  datasetName,
  DATASET_HELP,
  fetchDataset,
  type DatasetFlags,
} from "./datasetOptions.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { MODEL_HELP, revisionOption, tokenizerOption } from "./hub.ts";
import { adapterOption } from "./lora.ts";
import { generationOf, inferenceOptions, type InferenceFlags } from "./inferenceFlags.ts";
import { loadInferenceModel, type ModelFlags } from "./inferenceModel.ts";
import { jsonOption, wholeNumber } from "./options.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { startProgress } from "./terminal/progress.ts";
import { rankZeroFirst, shareOf, withProcessGroup } from "./processGroup.ts";
import { summarizeRows } from "./summaries.ts";

interface EvaluateOptions extends DatasetFlags, ModelFlags, InferenceFlags {
  readonly split: Split;
  readonly rougeRows?: number;
  readonly perDeviceEvalBatchSize: number;
  readonly json: boolean;
}

export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("ROUGE of a model's summaries on a split of a dataset")
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(tokenizerOption())
    .addOption(adapterOption())
    .option("--dataset <name>", DATASET_HELP, EXAMPLE_DATASET)
    .addOption(new Option("--split <name>", "which split").choices(SPLITS).default("test"))
    .option("--rouge-rows <n>", "only the first rows of the split", wholeNumber(1))
    .option(
      "--per-device-eval-batch-size <n>",
      "dialogues generated side by side",
      wholeNumber(1),
      8,
    )
    .addOption(jsonOption())
    .action((options: EvaluateOptions) => evaluate(options));
  for (const option of [...columnOptions(), ...inferenceOptions(), ...configOptions()]) {
    command.addOption(option);
  }
  return command;
}

async function evaluate(options: EvaluateOptions): Promise<void> {
  const output = new Output(options.json);
  await withProcessGroup(output, (group) => evaluateIn(group, options, output));
}

async function evaluateIn(
  group: ProcessGroup,
  options: EvaluateOptions,
  output: Output,
): Promise<void> {
  const signal = interruptSignal();
  const columns = columnsOf(options);
  const { split } = options;
  const used = { splits: [split], maxRows: { [split]: options.rougeRows } };
  const fetch = () => fetchDataset(options, signal, used);
  const dataset = (await rankZeroFirst(group, fetch))[split];
  if (dataset === undefined) {
    throw new DatasetError(
      `evaluate: ${datasetName(options)} must hold the split ${split}, and does not. Choose another --split.`,
    );
  }
  const { rows } = dataset;
  const { device, tokenizer, model } = await loadInferenceModel(group, options, signal);
  const share = shareOf(rows, options.perDeviceEvalBatchSize, group).length;
  const progress = startProgress("summaries", share, { quiet: group.rank > 0 });
  const predictions = await summarizeRows(model, tokenizer, rows, {
    batchSize: options.perDeviceEvalBatchSize,
    columns,
    generation: await generationOf(options),
    maxSourceLength: options.maxSourceLength,
    ...{ signal, group },
    onProgress: (done) => progress.update(done),
  });
  progress.stop();
  const references = rows.map((row) => targetText(row, columns));
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
