// gradloom train: fine-tune a model with transformers' TrainingArguments as flags.

import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { setWarningHandler } from "../tensor/warnings.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { configOptions } from "./commandLine/options.ts";
import { cacheOption, columnOptions, DATASET_HELP } from "./datasetOptions.ts";
import { EXAMPLE_DATASET, EXAMPLE_MODEL } from "./example.ts";
import { MODEL_HELP, revisionOption, tokenizerOption } from "./hub.ts";
import { generationOptions, givenGeneration, type GenerationFlags } from "./generationFlags.ts";
import { loraConfigOf, loraOptions, type LoraFlags } from "./lora.ts";
import {
  deviceOption,
  dtypeOption,
  jsonOption,
  number,
  threadsOption,
  wholeNumber,
} from "./options.ts";
import { withProcessGroup } from "./processGroup.ts";
import { goOnWithoutReader } from "./terminal/guardOutput.ts";
import { interruptSignal } from "./terminal/interruption.ts";
import { Output } from "./terminal/output.ts";
import { argumentOptions, argumentsOf, inFlags, otherOptions } from "./train/argumentFlags.ts";
import { runTraining } from "./train/run.ts";
import { trainingArguments } from "../train/arguments/arguments.ts";
import { scriptOptions, takeScriptFlags } from "./train/scriptFlags.ts";
import type { TrainSettings } from "./train/settings.ts";

/** Flags that are no TrainingArguments, as commander files them. */
type OwnFlags = Omit<TrainSettings, "lora" | "arguments" | "generation" | "resumeFromCheckpoint"> &
  LoraFlags &
  GenerationFlags &
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
    ...processOptions(),
    ...generationOptions(),
    ...argumentOptions(),
    ...otherOptions(),
    ...scriptOptions(),
    ...configOptions(),
  ]) {
    command.addOption(option);
  }
  return command.addOption(jsonOption()).action((flags: OwnFlags) => train(flags));
}

const modelOptions = (): Option[] =>
  group("Model:", [
    new Option("--model <name>", MODEL_HELP).default(EXAMPLE_MODEL),
    revisionOption(),
    tokenizerOption(),
    dtypeOption("how weights and optimizer state are stored"),
    new Option("--dropout <p>", "dropout rate instead of config.json's").argParser(number(0)),
    deviceOption(),
    threadsOption(),
  ]);

const dataOptions = (): Option[] =>
  group("Data:", [
    new Option("--dataset <name>", DATASET_HELP).default(EXAMPLE_DATASET),
    new Option(
      "--source-prefix <text>",
      "text before the source column, in place of the lab's prompt",
    ).conflicts("promptTemplate"),
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
    new Option(
      "--max-source-length <n>",
      "longest prompt in tokens, also of summaries that are scored (default: --max-length, those are not cut)",
    ).argParser(wholeNumber(1)),
    new Option(
      "--max-target-length <n>",
      "longest summary in tokens, in training (default: --max-length)",
    ).argParser(wholeNumber(1)),
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

function zeroStage(text: string): 0 | 1 {
  if (text === "0" || text === "1") return text === "1" ? 1 : 0;
  throw new InvalidArgumentError("It must be 0 or 1.");
}

const processOptions = (): Option[] =>
  group("Several processes (docs/guide/distributed.md):", [
    new Option("--zero-stage <n>", "1: each process keeps its part of the optimizer's moments")
      .argParser(zeroStage)
      .default(0),
    new Option("--gradient-wire <dtype>", "what gradients travel as")
      .choices(["f32", "bf16"])
      .default("f32"),
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
  const given = argumentsOf(flags);
  namingFlags(() => takeScriptFlags(flags));
  const args = namingFlags(() =>
    trainingArguments({ ...given, outputDir: resolve(given.outputDir!) }),
  );
  const generation = givenGeneration(flags);
  const { useCpu, resumeFromCheckpoint } = args;
  return {
    ...flags,
    ...prefixed(flags),
    lora: loraConfigOf(flags),
    arguments: args,
    generation,
    device: useCpu && flags.device === "auto" ? "cpu" : flags.device,
    resumeFromCheckpoint: resumeFromCheckpoint || undefined,
  };
}

/** --source-prefix "summarize: " as the prompt "summarize: {dialogue}". */
function prefixed({ sourcePrefix, sourceColumn = "dialogue" }: OwnFlags) {
  if (typeof sourcePrefix !== "string") return {};
  const text = sourcePrefix.replace(/[{}]/g, "$&$&");
  return { promptTemplate: `${text}{${sourceColumn}}`, sourceColumn: undefined };
}

/** Runs `check`, whose messages and warnings then name flags. */
function namingFlags<T>(check: () => T): T {
  const handler = setWarningHandler((text) => handler(inFlags(text)));
  try {
    return check();
  } catch (error) {
    if (error instanceof ArgumentError) error.message = inFlags(error.message);
    throw error;
  } finally {
    setWarningHandler(handler);
  }
}
