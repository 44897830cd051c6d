// A flag for every training argument, made from one table: name, reader and default come from TrainingArguments.

import { InvalidArgumentError, Option } from "commander";
import { argumentRules, readArgument, type Field } from "../../train/arguments/rules.ts";
import { trainingDefaults, type TrainingArgumentsInput } from "../../train/arguments/arguments.ts";
import { GradloomError } from "../../tensor/errors.ts";

/** Help texts; a new argument does not compile without one. */
const HELP: Readonly<Record<Field, string>> = {
  outputDir: "folder of checkpoints, log and report.html",
  perDeviceTrainBatchSize: "examples of a forward pass in training",
  perDeviceEvalBatchSize: "examples of a forward pass in evaluation",
  gradientAccumulationSteps: "batches whose gradients make one update",
  dataloaderDropLast: "leave out the last batch of an epoch when it is not full",
  numTrainEpochs: "passes over the data, fractions allowed",
  maxSteps: "updates in all; overrides --num-train-epochs when positive",
  learningRate: "peak learning rate",
  lrSchedulerType: "course of the learning rate after the warmup",
  warmupSteps: "updates over which the rate grows from 0; below 1, a share of all",
  warmupRatio: "share of all updates, when --warmup-steps is 0",
  optim: "both mean the one AdamW there is",
  weightDecay: "AdamW's decoupled weight decay",
  adamBeta1: "decay rate of the first moment",
  adamBeta2: "decay rate of the second moment",
  adamEpsilon: "added to the root of the second moment",
  maxGradNorm: "gradients are scaled down to this norm; 0 leaves them alone",
  labelSmoothingFactor: "share of the target spread over the vocabulary",
  fp16: "mixed precision with a dynamic loss scale (docs/guide/precision.md)",
  bf16: "mixed precision (docs/guide/precision.md)",
  gradientCheckpointing: "recompute activations in the backward pass",
  loggingStrategy: "when to log",
  loggingSteps: "updates between two log records; below 1, a share of all",
  loggingFirstStep: "log the first update too",
  loggingNanInfFilter: "a loss of NaN or infinity counts as the mean of those before it",
  evalStrategy: "when to evaluate",
  evalSteps: "updates between two evaluations (default: --logging-steps)",
  evalDelay: "steps or epochs before the first evaluation",
  evalOnStart: "evaluate once before training, and again when resumed",
  predictWithGenerate: "evaluations generate summaries and score them with ROUGE",
  generationMaxLength: "greatest length of those in tokens (default: the model's)",
  generationNumBeams: "beams for those (default: the model's)",
  saveStrategy: "when to save a checkpoint",
  saveSteps: "updates between two checkpoints; below 1, a share of all",
  saveTotalLimit: "checkpoints kept, the newest and the best always (default: all)",
  saveOnlyModel: "leave out what only resuming needs",
  loadBestModelAtEnd: "end with the best model instead of the last",
  metricForBestModel: "loss, or with --predict-with-generate rouge1, rouge2, rougeL, rougeLsum",
  greaterIsBetter: "whether the metric should grow (default: unless it ends in loss)",
  seed: "of dropout and data order",
  dataSeed: "of the data order alone (default: --seed)",
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

/** Flags whose default is decided later. */
const NULLABLE_FLAGS: ReadonlySet<Field> = new Set(["greaterIsBetter", "hubPrivateRepo"]);

/** --per-device-train-batch-size <value> and so on, in the order of the table. */
export function argumentOptions(): Option[] {
  return fields().map((name) => {
    const isFlag = typeof trainingDefaults[name] === "boolean" || NULLABLE_FLAGS.has(name);
    const value = isFlag ? "[true|false]" : "<value>";
    return new Option(`${flagOf(name)} ${value}`, helpOf(name))
      .argParser((text: string) => checked(name, text))
      .helpGroup("Training arguments (transformers' TrainingArguments):");
  });
}

/** The training arguments among a command's parsed options; those that were not given are left out. */
export function argumentsOf(options: Readonly<Record<string, unknown>>): TrainingArgumentsInput {
  const given = fields().filter((name) => options[name] !== undefined);
  return {
    ...COMMAND_DEFAULTS,
    ...Object.fromEntries(given.map((name) => [name, valueOf(name, options[name])])),
  };
}

/** perDeviceTrainBatchSize -> --per-device-train-batch-size; bf16 and adamBeta1 keep their digits. */
export function flagOf(name: Field): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
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
