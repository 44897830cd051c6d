// The fields of TrainingArguments: transformers' names in camelCase, with their types, meaning and defaults
// (docs/guide/hugging-face-semantics.md 3.1).

import type { GenerationOptions } from "../../generation/options.ts";
import type { SchedulerType } from "../../optim/schedule.ts";
import type { OtherArguments } from "./otherArguments.ts";

/** When something happens in training: never, every so many updates, or after each pass over the data. */
export type IntervalStrategy = "no" | "steps" | "epoch";
/** When checkpoints are written; "best" after each evaluation that improved on all before. */
export type SaveStrategy = IntervalStrategy | "best";
/** The order in which training sees its rows. */
export type SamplingStrategy = "random" | "sequential" | "group_by_length";

/** A place that log records go to. */
export type ReporterName = "jsonl" | "tensorboard";

/** When a run pushes to the Hub. */
export type HubStrategy = "end" | "every_save" | "checkpoint" | "all_checkpoints";

/** transformers' Seq2SeqTrainingArguments in camelCase, with every default filled in. */
export interface TrainingArguments {
  /** Folder of the checkpoints, made when needed. Default "trainer_output". */
  readonly outputDir: string;

  /** Examples of a forward pass in training. Default 8. */
  readonly perDeviceTrainBatchSize: number;
  /** Examples of a forward pass in evaluation. Default 8. */
  readonly perDeviceEvalBatchSize: number;
  /** Batches whose gradients make one update. Default 1. */
  readonly gradientAccumulationSteps: number;
  /** Leaves out the last batch of an epoch when it is not full. Default false. */
  readonly dataloaderDropLast: boolean;
  /**
   * Halves the batch when memory runs out, and begins the run anew; says so. The number of rows of an update shrinks with it,
   * as in transformers. Default false.
   */
  readonly autoFindBatchSize: boolean;
  /**
   * "random", "sequential" (the rows' own order), or "group_by_length": random, with rows of similar length side by side, so
   * that less is padded (transformers' LengthGroupedSampler; groupByLength of version 4). Default "random".
   */
  readonly trainSamplingStrategy: SamplingStrategy;
  /** Property of the rows that holds their length, for "group_by_length"; without it inputIds are counted. Default "length". */
  readonly lengthColumnName: string;

  /**
   * Computes losses without their padding, whenever a mask hides it on the right (docs/guide/training.md). Losses and gradients
   * are those of padded batches to rounding; dropout draws others. transformers has no such argument. Default true.
   */
  readonly packBatches: boolean;

  /** Passes over the data, fractions allowed. Default 3. */
  readonly numTrainEpochs: number;
  /** Updates in all; overrides numTrainEpochs when positive. Default -1. */
  readonly maxSteps: number;

  /** Peak learning rate. Default 5e-5. */
  readonly learningRate: number;
  /** How the rate changes after the warmup. Default "linear", down to 0 at the last step. */
  readonly lrSchedulerType: SchedulerType;
  /**
   * What the schedule can be told, by transformers' keys: num_cycles, lr_end, power, timescale, min_lr, min_lr_rate, ...
   * (docs/guide/training.md). Default null.
   */
  readonly lrSchedulerKwargs: Readonly<Record<string, unknown>> | null;
  /** Updates over which the rate grows from 0; below 1, a share of all updates. Default 0. */
  readonly warmupSteps: number;
  /** Share of all updates, used when warmupSteps is 0. Default 0. */
  readonly warmupRatio: number;

  /**
   * AdamW, both of whose names mean the one there is, or Adafactor at the schedule's rate. Default "adamw_torch".
   */
  readonly optim: "adamw_torch" | "adamw_torch_fused" | "adafactor";
  /**
   * What Adafactor can be told, as "scale_parameter=true,relative_step=true"; with relative_step it finds its rate itself
   * (docs/guide/training.md). transformers reads it for other optimizers alone. Default null.
   */
  readonly optimArgs: string | null;
  /** Decoupled; not applied to norms and biases. Default 0. */
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  /** Gradients are scaled down to this norm, all together; 0 leaves them alone. Default 1. */
  readonly maxGradNorm: number;
  /** Share of the target spread over the vocabulary. Default 0. */
  readonly labelSmoothingFactor: number;
  /**
   * Adds noise to the encoder's and decoder's embeddings in training (NEFTune, arXiv 2310.05914): uniform in
   * +-alpha / sqrt(tokens * width). Default null: none.
   */
  readonly neftuneNoiseAlpha: number | null;

  /** Mixed precision in f16 with a dynamic loss scale; weights must be f32 (docs/guide/precision.md). Default false. */
  readonly fp16: boolean;
  /** Mixed precision in bf16 (docs/guide/precision.md). Default false. */
  readonly bf16: boolean;
  /** Trains with less memory: each block of the model is computed again in the backward pass. Default false. */
  readonly gradientCheckpointing: boolean;

  readonly loggingStrategy: IntervalStrategy;
  /** Updates between two log records; below 1, a share of all. Default 500. */
  readonly loggingSteps: number;
  readonly loggingFirstStep: boolean;
  /** A loss of NaN or infinity counts as the mean of those before it. Default true. */
  readonly loggingNanInfFilter: boolean;
  /**
   * Counts input tokens in state.numInputTokensSeen and in the log, beside tokens a second: "all" with padding,
   * "non_padding" without it; true means "all". Default "no".
   */
  readonly includeNumInputTokensSeen: "no" | "all" | "non_padding";

  /** Default "no". */
  readonly evalStrategy: IntervalStrategy;
  /** As loggingSteps, whose value it takes when it is null; the last step is evaluated too. Default null. */
  readonly evalSteps: number | null;
  /** Steps or epochs (as evalStrategy counts) before the first evaluation. Default 0. */
  readonly evalDelay: number;
  /**
   * Evaluates once before the first update, and again when resumed: callbacks and the log get the figures, the choice
   * of the best model does not. Default false.
   */
  readonly evalOnStart: boolean;

  /** Evaluations give their loss alone: computeMetrics is not called. Default false. */
  readonly predictionLossOnly: boolean;
  /** Evaluations also generate, so that `computeMetrics` sees texts instead of teacher-forced tokens. Default false. */
  readonly predictWithGenerate: boolean;
  /** Greatest length of what evaluations generate, start token included. Default null: the model's own. */
  readonly generationMaxLength: number | null;
  /** Beams of what evaluations generate. Default null: the model's own. */
  readonly generationNumBeams: number | null;
  /**
   * How evaluations generate, over the model's own settings: options as `generate` takes them, or a generation_config.json
   * or its folder. generationMaxLength and generationNumBeams win. Default null.
   */
  readonly generationConfig: GenerationOptions | string | null;

  /** Default "steps", which also saves at the last step. */
  readonly saveStrategy: SaveStrategy;
  /** As loggingSteps. Default 500. */
  readonly saveSteps: number;
  /** Checkpoints kept; never deletes the newest or the best. Default null: all. */
  readonly saveTotalLimit: number | null;
  /** Leaves out what only resuming needs. Default false. */
  readonly saveOnlyModel: boolean;

  /** A checkpoint folder to go on from, or true for the newest in outputDir, unless `train` is told. Default null. */
  readonly resumeFromCheckpoint: string | boolean | null;
  /** A resumed run begins its data anew instead of where it stopped. Default false. */
  readonly ignoreDataSkip: boolean;

  /** Default false. */
  readonly loadBestModelAtEnd: boolean;
  /** A key of the evaluation's metrics, "eval_" optional. Default "loss" with loadBestModelAtEnd, else null. */
  readonly metricForBestModel: string | null;
  /** Default null: true unless the metric's name ends in "loss". */
  readonly greaterIsBetter: boolean | null;

  /** Of dropout, and of the data order unless dataSeed is given. Default 42. */
  readonly seed: number;
  readonly dataSeed: number | null;
  /** Refuses a model on another device than the cpu. Default false. */
  readonly useCpu: boolean;

  /**
   * Where log records go, one or several: "jsonl" is outputDir/log.jsonl, "tensorboard" event files in `loggingDir`, "all"
   * both. Default "none".
   */
  readonly reportTo: "none" | "all" | ReporterName | readonly ReporterName[];
  /** Folder of TensorBoard's files. Default null: TENSORBOARD_LOGGING_DIR, else outputDir/runs/DATE_HOST. */
  readonly loggingDir: string | null;
  /** What people call the run; the title of report.html. Default null. */
  readonly runName: string | null;
  /** Pushes the model to the Hub: `hubStrategy` says when. Default false. */
  readonly pushToHub: boolean;
  /** Repository, `owner/name`, or a name alone for one of the token's user. Default null: the last name of outputDir. */
  readonly hubModelId: string | null;
  /**
   * "end" pushes when the run calls for it (`pushToHub()`, `saveModel()`); "every_save" also with each checkpoint, in the
   * background; "checkpoint" besides the checkpoint itself as last-checkpoint, to resume from; "all_checkpoints" each under
   * its own name. Default "every_save".
   */
  readonly hubStrategy: HubStrategy;
  /** Access token that may write; kept out of logs and files. Default null: HF_TOKEN, then the file of `hf auth login`. */
  readonly hubToken: string | null;
  /** Whether a repository that is made is private. Default null: as the owner's settings say. */
  readonly hubPrivateRepo: boolean | null;
  /** Waits for a push that is still on its way, where else the next checkpoint is not pushed. Default false. */
  readonly hubAlwaysPush: boolean;
  /** Branch that is pushed to. Default null: main. */
  readonly hubRevision: string | null;
  /** When false, log records are also printed on stderr. Default false, as in transformers. */
  readonly disableTqdm: boolean;
}

/**
 * What callers pass: any of the fields; undefined means the default. Names of transformers that are no fields here are
 * taken, too, each with what is said of it (docs/guide/arguments.md).
 */
export type TrainingArgumentsInput = {
  readonly [K in keyof TrainingArguments]?:
    | TrainingArguments[K]
    | (K extends "includeNumInputTokensSeen" ? boolean : never)
    | (K extends "lrSchedulerKwargs" ? string : never)
    | undefined;
} & OtherArguments;

export const trainingDefaults: TrainingArguments = {
  outputDir: "trainer_output",
  perDeviceTrainBatchSize: 8,
  perDeviceEvalBatchSize: 8,
  gradientAccumulationSteps: 1,
  dataloaderDropLast: false,
  autoFindBatchSize: false,
  trainSamplingStrategy: "random",
  lengthColumnName: "length",
  packBatches: true,
  numTrainEpochs: 3,
  maxSteps: -1,
  learningRate: 5e-5,
  lrSchedulerType: "linear",
  lrSchedulerKwargs: null,
  warmupSteps: 0,
  warmupRatio: 0,
  optim: "adamw_torch",
  optimArgs: null,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
  labelSmoothingFactor: 0,
  neftuneNoiseAlpha: null,
  fp16: false,
  bf16: false,
  gradientCheckpointing: false,
  loggingStrategy: "steps",
  loggingSteps: 500,
  loggingFirstStep: false,
  loggingNanInfFilter: true,
  includeNumInputTokensSeen: "no",
  evalStrategy: "no",
  evalSteps: null,
  evalDelay: 0,
  evalOnStart: false,
  predictionLossOnly: false,
  predictWithGenerate: false,
  generationMaxLength: null,
  generationNumBeams: null,
  generationConfig: null,
  saveStrategy: "steps",
  saveSteps: 500,
  saveTotalLimit: null,
  saveOnlyModel: false,
  resumeFromCheckpoint: null,
  ignoreDataSkip: false,
  loadBestModelAtEnd: false,
  metricForBestModel: null,
  greaterIsBetter: null,
  seed: 42,
  dataSeed: null,
  useCpu: false,
  reportTo: "none",
  loggingDir: null,
  runName: null,
  pushToHub: false,
  hubModelId: null,
  hubStrategy: "every_save",
  hubToken: null,
  hubPrivateRepo: null,
  hubAlwaysPush: false,
  hubRevision: null,
  disableTqdm: false,
};
