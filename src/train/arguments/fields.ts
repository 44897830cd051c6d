// The fields of TrainingArguments: transformers' names in camelCase, with their types, meaning and defaults
// (docs/guide/hugging-face-semantics.md 3.1).

import type { SchedulerType } from "../../optim/schedule.ts";

/** When something happens in training: never, every so many updates, or after each pass over the data. */
export type IntervalStrategy = "no" | "steps" | "epoch";
/** When checkpoints are written; "best" after each evaluation that improved on all before. */
export type SaveStrategy = IntervalStrategy | "best";

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

  /** Passes over the data, fractions allowed. Default 3. */
  readonly numTrainEpochs: number;
  /** Updates in all; overrides numTrainEpochs when positive. Default -1. */
  readonly maxSteps: number;

  /** Peak learning rate. Default 5e-5. */
  readonly learningRate: number;
  /** How the rate changes after the warmup. Default "linear", down to 0 at the last step. */
  readonly lrSchedulerType: SchedulerType;
  /** Updates over which the rate grows from 0; below 1, a share of all updates. Default 0. */
  readonly warmupSteps: number;
  /** Share of all updates, used when warmupSteps is 0. Default 0. */
  readonly warmupRatio: number;

  /** Both names mean the one AdamW there is. Default "adamw_torch". */
  readonly optim: "adamw_torch" | "adamw_torch_fused";
  /** Decoupled; not applied to norms and biases. Default 0. */
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  /** Gradients are scaled down to this norm, all together; 0 leaves them alone. Default 1. */
  readonly maxGradNorm: number;
  /** Share of the target spread over the vocabulary. Default 0. */
  readonly labelSmoothingFactor: number;

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

  /** Evaluations also generate, so that `computeMetrics` sees texts instead of teacher-forced tokens. Default false. */
  readonly predictWithGenerate: boolean;
  /** Greatest length of what evaluations generate, start token included. Default null: the model's own. */
  readonly generationMaxLength: number | null;
  /** Beams of what evaluations generate. Default null: the model's own. */
  readonly generationNumBeams: number | null;

  /** Default "steps", which also saves at the last step. */
  readonly saveStrategy: SaveStrategy;
  /** As loggingSteps. Default 500. */
  readonly saveSteps: number;
  /** Checkpoints kept; never deletes the newest or the best. Default null: all. */
  readonly saveTotalLimit: number | null;
  /** Leaves out what only resuming needs. Default false. */
  readonly saveOnlyModel: boolean;

  /** Default false. */
  readonly loadBestModelAtEnd: boolean;
  /** A key of the evaluation's metrics, "eval_" optional. Default "loss" with loadBestModelAtEnd, else null. */
  readonly metricForBestModel: string | null;
  /** Default null: true unless the metric's name ends in "loss". */
  readonly greaterIsBetter: boolean | null;

  /** Of dropout, and of the data order unless dataSeed is given. Default 42. */
  readonly seed: number;
  readonly dataSeed: number | null;

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

/** What callers pass: any of the fields; undefined means the default. */
export type TrainingArgumentsInput = {
  readonly [K in keyof TrainingArguments]?: TrainingArguments[K] | undefined;
};

export const trainingDefaults: TrainingArguments = {
  outputDir: "trainer_output",
  perDeviceTrainBatchSize: 8,
  perDeviceEvalBatchSize: 8,
  gradientAccumulationSteps: 1,
  dataloaderDropLast: false,
  numTrainEpochs: 3,
  maxSteps: -1,
  learningRate: 5e-5,
  lrSchedulerType: "linear",
  warmupSteps: 0,
  warmupRatio: 0,
  optim: "adamw_torch",
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
  labelSmoothingFactor: 0,
  fp16: false,
  bf16: false,
  gradientCheckpointing: false,
  loggingStrategy: "steps",
  loggingSteps: 500,
  loggingFirstStep: false,
  loggingNanInfFilter: true,
  evalStrategy: "no",
  evalSteps: null,
  evalDelay: 0,
  evalOnStart: false,
  predictWithGenerate: false,
  generationMaxLength: null,
  generationNumBeams: null,
  saveStrategy: "steps",
  saveSteps: 500,
  saveTotalLimit: null,
  saveOnlyModel: false,
  loadBestModelAtEnd: false,
  metricForBestModel: null,
  greaterIsBetter: null,
  seed: 42,
  dataSeed: null,
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
