// gradloom evaluate: ROUGE of a model's summaries on a split of a dataset.

import { Command } from "commander";
import { bootstrapAggregate, rougeMeans, rougeSamples } from "../eval/rouge.ts";
import { openDevice, type DeviceKind } from "../kernels/openDevice.ts";
import { Tokenizer } from "../model/tokenizer.ts";
import { DatasetError } from "../tensor/errors.ts";
import { SPLITS, type Split } from "../data/dataset.ts";
import { targetText } from "../data/prompt.ts";
import {
  columnOptions,
  columnsOf,
  DATASET_HELP,
  fetchDataset,
  type DatasetFlags,
} from "./datasetOptions.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import { fetchModel, MODEL_HELP, revisionOption } from "./hub.ts";
import type { ProcessGroup } from "../distributed/processGroup.ts";
import { adapterOption, loadForGeneration } from "./lora.ts";
import { deviceOption, jsonOption, wholeNumber } from "./options.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { startProgress } from "./terminal/progress.ts";
import { deviceOptionsOf, rankZeroFirst, shareOf, withProcessGroup } from "./processGroup.ts";
import { summarizeRows } from "./summaries.ts";
import { Option } from "commander";

interface EvaluateOptions extends DatasetFlags {
  readonly model: string;
  readonly revision?: string;
  readonly adapter?: string;
  readonly split: Split;
  readonly rows?: number;
  readonly batchSize: number;
  readonly device: DeviceKind;
  readonly maxNewTokens: number;
  readonly numBeams?: number;
  readonly json: boolean;
}

export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("ROUGE of a model's summaries on a split of a dataset")
    .option("--model <name>", MODEL_HELP, EXAMPLE_MODEL)
    .addOption(revisionOption())
    .addOption(adapterOption())
    .option("--dataset <name>", DATASET_HELP, EXAMPLE_DATASET)
    .addOption(new Option("--split <name>", "which split").choices(SPLITS).default("test"))
    .option("--rows <n>", "only the first rows of the split", wholeNumber(1))
    .option("--batch-size <n>", "dialogues generated side by side", wholeNumber(1), 8)
    .addOption(deviceOption())
    .option("--max-new-tokens <n>", "longest summary in tokens", wholeNumber(1), 200)
    .option("--num-beams <n>", "beams; 1 is greedy (default: the model's)", wholeNumber(1))
    .addOption(jsonOption())
    .action((options: EvaluateOptions) => evaluate(options));
  for (const option of columnOptions()) command.addOption(option);
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
  const { split, revision } = options;
  const used = { splits: [split], maxRows: { [split]: options.rows } };
  const fetch = () => fetchDataset(options, signal, used);
  const dataset = (await rankZeroFirst(group, fetch))[split];
  if (dataset === undefined) {
    throw new DatasetError(
      `evaluate: ${options.dataset} must hold the split ${split}, and does not. Choose another --split.`,
    );
  }
  const { rows } = dataset;
  const folder = await rankZeroFirst(group, () => fetchModel(options.model, { revision, signal }));
  const device = await openDevice(options.device, deviceOptionsOf(options.device, undefined));
  const tokenizer = await Tokenizer.fromPretrained(folder);
  const model = await loadForGeneration(folder, { device, adapter: options.adapter });
  const share = shareOf(rows, options.batchSize, group).length;
  const progress = startProgress("summaries", share, { quiet: group.rank > 0 });
  const predictions = await summarizeRows(model, tokenizer, rows, {
    batchSize: options.batchSize,
    columns,
    generation: { maxNewTokens: options.maxNewTokens, numBeams: options.numBeams },
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
