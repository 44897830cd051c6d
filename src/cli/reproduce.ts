// gradloom reproduce: the FLAN-T5 / DialogSum notebook, section by section.

import { resolve } from "node:path";
import { Command } from "commander";
import type { DeviceKind } from "../kernels/deviceOptions.ts";
import { deviceOption, jsonOption, number, wholeNumber } from "./options.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import { MODEL_HELP, revisionOption } from "./hub.ts";
import { configOptions } from "./commandLine/options.ts";
import { cacheOption, columnOptions, DATASET_HELP, type DatasetFlags } from "./datasetOptions.ts";
import { loraConfigOf, loraOptions, type LoraFlags } from "./lora.ts";
import { runNotebook } from "./notebook/run.ts";
import type { NotebookSettings } from "./notebook/settings.ts";
import { goOnWithoutReader } from "./terminal/guardOutput.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";

interface ReproduceFlags extends LoraFlags, Partial<DatasetFlags> {
  readonly model?: string;
  readonly revision?: string;
  readonly cache: boolean;
  readonly device: DeviceKind;
  readonly faithful: boolean;
  readonly maxSteps: number;
  readonly perDeviceTrainBatchSize: number;
  readonly learningRate?: number;
  readonly warmupSteps?: number;
  readonly weightDecay: number;
  readonly loggingSteps: number;
  readonly dropout?: number;
  readonly maxNewTokens: number;
  readonly seed: number;
  readonly example: number;
  readonly rougeRows: number;
  readonly outputDir: string;
  readonly resumeFromCheckpoint?: string | true;
  readonly json: boolean;
}

/** The notebook's own values, and those that suit the small example model. */
const NOTEBOOK = { learningRate: 5e-5, warmupSteps: 100 };
const EXAMPLE = { learningRate: 1.5e-3, warmupSteps: 10 };

export function reproduceCommand(): Command {
  const command = new Command("reproduce")
    .description("the notebook: summarise, fine-tune, summarise again, ROUGE before and after")
    .option("--model <name>", `${MODEL_HELP} (default: the example's small T5)`)
    .addOption(revisionOption())
    .option("--dataset <name>", `${DATASET_HELP} (default: the example's)`)
    .addOption(deviceOption())
    .option(
      "--faithful",
      "the notebook's preprocessing: padding to 512, labels padded with 0, no mask",
      false,
    )
    .option("--max-steps <n>", "training steps", wholeNumber(1), 100)
    .option("--per-device-train-batch-size <n>", "dialogues per step", wholeNumber(1), 8)
    .option(
      "--learning-rate <x>",
      `peak learning rate (default: ${NOTEBOOK.learningRate}; the example ${EXAMPLE.learningRate})`,
      number(0),
    )
    .option(
      "--warmup-steps <n>",
      `steps of linear warmup (default: ${NOTEBOOK.warmupSteps}; the example ${EXAMPLE.warmupSteps})`,
      wholeNumber(0),
    )
    .option("--weight-decay <x>", "AdamW's decoupled weight decay", number(0), 0.01)
    .option("--logging-steps <n>", "steps between two log lines", wholeNumber(1), 10)
    .option("--dropout <p>", "dropout rate instead of config.json's", number(0))
    .option("--max-new-tokens <n>", "longest summary in tokens", wholeNumber(1), 200)
    .option("--seed <n>", "seed of data order and dropout", wholeNumber(0), 42)
    .option("--example <row>", "test row shown in full", wholeNumber(0), 200)
    .option("--rouge-rows <n>", "test rows summarised and scored", wholeNumber(1), 10)
    .option("--output-dir <folder>", "where checkpoints and report.html go", "gradloom-output")
    .option(
      "--resume-from-checkpoint [folder]",
      "fine-tune from a checkpoint folder on, or from the newest one in --output-dir",
    )
    .addOption(jsonOption())
    .action((flags: ReproduceFlags) => reproduce(flags));
  for (const option of [...loraOptions(), ...columnOptions(), cacheOption(), ...configOptions()]) {
    command.addOption(option);
  }
  return command;
}

async function reproduce(flags: ReproduceFlags): Promise<void> {
  goOnWithoutReader();
  const output = new Output(flags.json);
  const result = await runNotebook(settingsOf(flags), output, interruptSignal());
  output.result(result);
}

function settingsOf(flags: ReproduceFlags): NotebookSettings {
  const defaults = flags.model === undefined ? EXAMPLE : NOTEBOOK;
  return {
    ...flags,
    model: flags.model ?? EXAMPLE_MODEL,
    dataset: flags.dataset ?? EXAMPLE_DATASET,
    learningRate: flags.learningRate ?? defaults.learningRate,
    warmupSteps: flags.warmupSteps ?? defaults.warmupSteps,
    output: resolve(flags.outputDir),
    batchSize: flags.perDeviceTrainBatchSize,
    lora: loraConfigOf(flags),
  };
}
