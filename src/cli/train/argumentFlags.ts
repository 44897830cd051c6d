// A flag for every training argument, made from one table: name, reader and default come from TrainingArguments.

import { InvalidArgumentError, Option } from "commander";
import { toKebabCase } from "../../fields/names.ts";
import { OTHER_ARGUMENTS, type OtherName } from "../../train/arguments/otherArguments.ts";
import { argumentRules, readArgument, type Field } from "../../train/arguments/rules.ts";
import { trainingDefaults, type TrainingArgumentsInput } from "../../train/arguments/arguments.ts";
import { valueOption } from "../options.ts";
import { GradloomError } from "../../tensor/errors.ts";

/** Help texts; a new argument does not compile without one. */
const HELP: Readonly<Record<Field, string>> = {
  outputDir: "folder of checkpoints, log and report.html",
  perDeviceTrainBatchSize: "examples of a forward pass in training",
  perDeviceEvalBatchSize: "examples of a forward pass in evaluation",
  gradientAccumulationSteps: "batches whose gradients make one update",
  dataloaderDropLast: "leave out the last batch of an epoch when it is not full",
  autoFindBatchSize: "halve the batch when memory runs out, and begin anew",
  numTrainEpochs: "passes over the data, fractions allowed",
  maxSteps: "updates in all; overrides --num-train-epochs when positive",
  learningRate: "peak learning rate",
  trainSamplingStrategy: "order of the rows; group_by_length pads less",
  lengthColumnName: "property of the rows with their length, for group_by_length",
  packBatches: "compute no padding: rows of a batch one behind another",
  lrSchedulerType: "course of the learning rate after the warmup",
  lrSchedulerKwargs:
    "options of the schedule as JSON: '{\"num_cycles\": 2}' (docs/guide/training.md)",
  warmupSteps: "updates over which the rate grows from 0; below 1, a share of all",
  warmupRatio: "share of all updates, when --warmup-steps is 0",
  optim: "AdamW, both of whose names mean the one there is, or Adafactor",
  optimArgs: "of Adafactor: scale_parameter=true,relative_step=true,... (docs/guide/training.md)",
  weightDecay: "AdamW's decoupled weight decay",
  adamBeta1: "decay rate of the first moment",
  adamBeta2: "decay rate of the second moment",
  adamEpsilon: "added to the root of the second moment",
  maxGradNorm: "gradients are scaled down to this norm; 0 leaves them alone",
  labelSmoothingFactor: "share of the target spread over the vocabulary",
  neftuneNoiseAlpha: "noise on embeddings in training (NEFTune, arXiv 2310.05914)",
  fp16: "mixed precision with a dynamic loss scale (docs/guide/precision.md)",
  bf16: "mixed precision (docs/guide/precision.md)",
  gradientCheckpointing: "recompute activations in the backward pass",
  loggingStrategy: "when to log",
  loggingSteps: "updates between two log records; below 1, a share of all",
  loggingFirstStep: "log the first update too",
  loggingNanInfFilter: "a loss of NaN or infinity counts as the mean of those before it",
  includeNumInputTokensSeen: "count input tokens in the log, and tokens a second",
  evalStrategy: "when to evaluate",
  evalSteps: "updates between two evaluations (default: --logging-steps)",
  evalDelay: "steps or epochs before the first evaluation",
  evalOnStart: "evaluate once before training, and again when resumed",
  predictionLossOnly: "evaluations give their loss alone",
  predictWithGenerate: "evaluations generate summaries and score them with ROUGE",
  generationMaxLength: "greatest length of those in tokens (default: the model's)",
  generationNumBeams: "beams for those (default: the model's)",
  generationConfig: "generation_config.json, its folder, or JSON, for evaluations",
  saveStrategy: "when to save a checkpoint",
  saveSteps: "updates between two checkpoints; below 1, a share of all",
  saveTotalLimit: "checkpoints kept, the newest and the best always (default: all)",
  saveOnlyModel: "leave out what only resuming needs",
  resumeFromCheckpoint: "go on from a checkpoint folder, or from the newest one in --output-dir",
  ignoreDataSkip: "a resumed run begins its data anew instead of where it stopped",
  loadBestModelAtEnd: "end with the best model instead of the last",
  metricForBestModel: "loss, or with --predict-with-generate rouge1, rouge2, rougeL, rougeLsum",
  greaterIsBetter: "whether the metric should grow (default: unless it ends in loss)",
  seed: "of dropout and data order",
  dataSeed: "of the data order alone (default: --seed)",
  useCpu: "same as --device cpu",
  reportTo: "where the log goes besides, with commas between",
  loggingDir: "folder of TensorBoard's files (default: OUTPUT/runs/DATE_HOST)",
  runName: "what people call the run; the title of report.html",
  pushToHub: "push the output folder to the Hub (docs/guide/hub.md)",
  hubModelId: "owner/name of the repository (default: the last name of --output-dir)",
  hubStrategy: "when to push",
  hubToken: "access token that may write (default: HF_TOKEN, which no other process sees)",
  hubPrivateRepo: "whether a repository that is made is private (default: the owner's settings)",
  hubAlwaysPush: "wait for a push that is still on its way instead of leaving the next one out",
  hubRevision: "branch that is pushed to (default: main)",
  disableTqdm: "no progress bar",
};

/** Values of this command that differ from transformers' defaults. */
export const COMMAND_DEFAULTS: TrainingArgumentsInput = { outputDir: "gradloom-output" };

/** Flags that stand for something by themselves, with what may follow. */
const ALONE: Readonly<Partial<Record<Field, string>>> = {
  greaterIsBetter: "[true|false]",
  includeNumInputTokensSeen: "[which]",
  hubPrivateRepo: "[true|false]",
  resumeFromCheckpoint: "[folder]",
};

/** --per-device-train-batch-size <value> and so on, in the order of the table. */
export function argumentOptions(): Option[] {
  return fields().map((name) => {
    const isFlag = typeof trainingDefaults[name] === "boolean";
    const value = ALONE[name] ?? (isFlag ? "[true|false]" : "<value>");
    return new Option(`${flagOf(name)} ${value}`, helpOf(name))
      .argParser((text: string) => checked(name, text))
      .helpGroup("Training arguments (transformers' TrainingArguments):");
  });
}

/** transformers' other names, which `trainingArguments` translates, takes or refuses; --help does not list them. */
export function otherOptions(): Option[] {
  return otherNames().map((name) => {
    const isList = OTHER_ARGUMENTS[name].rule.holds([]);
    return valueOption(`${flagOf(name)} ${isList ? "[value...]" : "[value]"}`).hideHelp();
  });
}

/** The training arguments among a command's parsed options; those that were not given are left out. */
export function argumentsOf(options: Readonly<Record<string, unknown>>): TrainingArgumentsInput {
  const given = fields().filter((name) => options[name] !== undefined);
  const others = otherNames().filter((name) => options[name] !== undefined);
  return {
    ...COMMAND_DEFAULTS,
    ...Object.fromEntries(given.map((name) => [name, valueOf(name, options[name])])),
    ...Object.fromEntries(others.map((name) => [name, otherValueOf(name, options[name])])),
  };
}

/** A message about training arguments, with flags in place of their names in code. */
export function inFlags(message: string): string {
  return message.replace(/\b[a-z0-9]+[A-Z]\w*/g, (name) => `--${toKebabCase(name)}`);
}

/** perDeviceTrainBatchSize -> --per-device-train-batch-size; bf16 and adamBeta1 keep their digits. */
export function flagOf(name: Field | OtherName): string {
  return `--${toKebabCase(name)}`;
}

function otherNames(): OtherName[] {
  return Object.keys(OTHER_ARGUMENTS) as OtherName[];
}

function fields(): Field[] {
  return Object.keys(HELP) as Field[];
}

function helpOf(name: Field): string {
  const value = COMMAND_DEFAULTS[name] ?? trainingDefaults[name];
  const { must } = argumentRules[name];
  const choices = must.startsWith("one of") ? ` (${must.slice(7).replaceAll('"', "")})` : "";
  const isShown = value !== null && value !== false;
  return `${HELP[name]}${choices}${isShown ? ` (default: ${String(value)})` : ""}`;
}

/** The text itself, for commander takes a parser's null for nothing given. */
function checked(name: Field, text: string): string {
  try {
    readArgument(name, text);
    return text;
  } catch (error) {
    if (!(error instanceof GradloomError)) throw error;
    throw new InvalidArgumentError(error.message.replace(/^[^:]+: /, "It ").concat("."));
  }
}

/** A flag without a value is true. */
function valueOf(name: Field, given: unknown): unknown {
  return typeof given === "string" ? readArgument(name, given) : given;
}

/** The values behind a flag: true without one, a list of several, as its rule reads them. */
export function otherValueOf(name: OtherName, given: unknown): unknown {
  const { rule } = OTHER_ARGUMENTS[name];
  if (typeof given === "string") return rule.read(given);
  if (!Array.isArray(given)) return given;
  const values = given.map((text) => rule.read(text as string));
  return values.length === 1 && typeof values[0] !== "string" ? values[0] : values;
}
