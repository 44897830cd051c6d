// gradloom train: fine-tune a model with transformers' TrainingArguments as flags.

import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { StoredFloat } from "../kernels/storedFloats.ts";
import { parseWeightDtype, weightDtypeNames } from "../model/weightDtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { cacheOption, columnOptions, DATASET_HELP } from "./datasetOptions.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import { MODEL_HELP, revisionOption } from "./hub.ts";
import { loraConfigOf, loraOptions, type LoraFlags } from "./lora.ts";
import { deviceOption, jsonOption, number, wholeNumber } from "./options.ts";
import { withProcessGroup } from "./processGroup.ts";
import { goOnWithoutReader } from "./terminal/guardOutput.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { argumentOptions, argumentsOf } from "./train/argumentFlags.ts";
import { runTraining } from "./train/run.ts";
import type { TrainSettings } from "./train/settings.ts";

/** Flags that are no TrainingArguments, as commander files them. */
type OwnFlags = Omit<TrainSettings, "lora" | "arguments"> &
  LoraFlags &
  Record<string, unknown> & { readonly json: boolean };

export function trainCommand(): Command {
  const command = new Command("train").description(
    "fine-tune a model: accumulation, evaluation, best model, early stopping, checkpoints, resume",
  );
  for (const option of [
    ...modelOptions(),
    ...loraOptions(),
    ...dataOptions(),
    ...runOptions(),
    ...argumentOptions(),
  ]) {
    command.addOption(option);
  }
  return command.addOption(jsonOption()).action((flags: OwnFlags) => train(flags));
}

const modelOptions = (): Option[] =>
  group("Model:", [
    new Option("--model <name>", MODEL_HELP).default(EXAMPLE_MODEL),
    revisionOption(),
    new Option(
      "--dtype <name>",
      `how weights and optimizer state are stored: ${weightDtypeNames()} (docs/guide/precision.md)`,
    )
      .argParser(weightDtype)
      .default("f32"),
    new Option("--dropout <p>", "dropout rate instead of config.json's").argParser(number(0)),
    deviceOption(),
    new Option("--threads <n>", "threads of the cpu device (default: all cores)").argParser(
      wholeNumber(1),
    ),
  ]);

function weightDtype(text: string): StoredFloat {
  try {
    return parseWeightDtype("It", text);
  } catch (error) {
    if (error instanceof ArgumentError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
}

const dataOptions = (): Option[] =>
  group("Data:", [
    new Option("--dataset <name>", DATASET_HELP).default(EXAMPLE_DATASET),
    ...columnOptions(),
    cacheOption(),
    new Option(
      "--streaming",
      "read training rows one after another, from files that may be larger than memory; needs --max-steps",
    )
      .default(false)
      .conflicts("maxTrainRows"),
    new Option("--shuffle-buffer <n>", "rows of the stream among which the next one is drawn")
      .argParser(wholeNumber(1))
      .default(10_000),
    new Option(
      "--faithful",
      "the notebook's preprocessing: padding to --max-length, labels padded with 0, no mask",
    ).default(false),
    new Option("--max-train-rows <n>", "only the first rows of the split train").argParser(
      wholeNumber(1),
    ),
    new Option("--max-eval-rows <n>", "only the first rows of the split validation").argParser(
      wholeNumber(1),
    ),
    new Option("--max-length <n>", "longest prompt and longest summary in tokens, in training")
      .argParser(wholeNumber(1))
      .default(512),
  ]);

const runOptions = (): Option[] =>
  group("Run:", [
    new Option(
      "--early-stopping-patience <n>",
      "evaluations in a row that may bring no improvement before training stops",
    ).argParser(wholeNumber(1)),
    new Option("--early-stopping-threshold <x>", "by how much the metric must improve")
      .argParser(number(0))
      .default(0),
    new Option(
      "--resume-from-checkpoint [folder]",
      "go on from a checkpoint folder, or from the newest one in --output-dir",
    ),
    new Option("--rouge-rows <n>", "test rows summarised and scored at the end; 0 for none")
      .argParser(wholeNumber(0))
      .default(100),
    new Option("--max-new-tokens <n>", "longest of those summaries in tokens")
      .argParser(wholeNumber(1))
      .default(200),
    new Option(
      "--sample-rows <n>",
      "validation rows summarised at every evaluation, for the report",
    )
      .argParser(wholeNumber(0))
      .default(3),
  ]);

function group(heading: string, options: readonly Option[]): Option[] {
  return options.map((option) => option.helpGroup(heading));
}

async function train(flags: OwnFlags): Promise<void> {
  goOnWithoutReader();
  const output = new Output(flags.json);
  await withProcessGroup(output, async (group) => {
    output.result(await runTraining(settingsOf(flags), output, interruptSignal(), group));
  });
}

function settingsOf(flags: OwnFlags): TrainSettings {
  const args = argumentsOf(flags);
  const lora = loraConfigOf(flags);
  return { ...flags, lora, arguments: { ...args, outputDir: resolve(args.outputDir!) } };
}
