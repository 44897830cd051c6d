// The names of transformers' Seq2SeqTrainingArguments that are no fields here, of version 5.17 and of version 4: what each
// asks for, and what becomes of it. The names that are fields are in fields.ts; docs/guide/arguments.md lists them all, and
// a test holds the page, this table and transformers' own list together.

import {
  flag,
  formatValue,
  nonEmptyText,
  orNull,
  whole,
  type ReadableRule,
} from "../../fields/rules.ts";
import {
  aList,
  anObject,
  anyNumber,
  anyText,
  names,
  pathOrObject,
  switchOrNames,
} from "./otherRules.ts";

/** What becomes of a name; each has the values it may have at all. */
export type OtherArgument = { readonly rule: ReadableRule } & (
  | {
      /** Taken, for what it asks for is so here, or has no meaning: `because` says which. */
      readonly fate: "ignored";
      readonly because: string;
    }
  | {
      /** Refused with `because`, except for the values that ask for nothing. */
      readonly fate: "refused";
      readonly because: string;
      readonly cure: string;
      /** Values that ask for nothing, besides null. */
      readonly nothing: (value: unknown) => boolean;
    }
  | {
      /** Another name of fields here. */
      readonly fate: "renamed";
      /** The fields that the value stands for; none for a value that asks for nothing. */
      readonly fields: (value: unknown) => Readonly<Record<string, unknown>>;
    }
);

const ONE_PROCESS = "several processes are those of mpirun or srun, which need no argument";
const IN_PROCESS = "the process that trains makes the batches, from tokens that lie ready";
const NOT_SHARDED = "weights, gradients and optimizer states are whole on their device";
const COMPILED = "kernels are compiled when they are first used";
const OF_VERSION_3 = "the name of version 3";
const AT_ONCE = "computeMetrics gets the ids of all rows at once";

const ignored = (rule: ReadableRule, because: string): OtherArgument => ({
  ...{ rule, because, fate: "ignored" },
});

const refused = (
  rule: ReadableRule,
  because: string,
  cure = "Leave it out.",
  nothing: (value: unknown) => boolean = isOff,
): OtherArgument => ({ ...{ rule, because, cure, nothing, fate: "refused" } });

/** @param field the name here, for the same values */
const renamed = (rule: ReadableRule, field: string): OtherArgument => ({
  ...{ rule, fate: "renamed" },
  fields: (value) => ({ [field]: value }),
});

/** true stands for `fields`, false for nothing. */
const switchFor = (fields: Readonly<Record<string, unknown>>): OtherArgument => ({
  ...{ rule: flag, fate: "renamed" },
  fields: (value) => (value === true ? fields : {}),
});

const text = orNull(nonEmptyText);
const count = orNull(whole(0));
const maybe = orNull(flag);
const path = orNull(pathOrObject);

/** Every name, in the order of transformers' own fields. */
export const OTHER_ARGUMENTS = {
  // what a step does
  optimTargetModules: refused(orNull(names), "GaLore and Apollo are not supported"),
  averageTokensAcrossDevices: ignored(flag, ONE_PROCESS),
  bf16FullEval: refused(
    flag,
    "evaluations take the weights as they are stored",
    'Load the model with dtype "bfloat16", or set bf16.',
  ),
  fp16FullEval: refused(
    flag,
    "evaluations take the weights as they are stored",
    'Load the model with dtype "float16", or set fp16.',
  ),
  tf32: ignored(maybe, "products are of f32, or of what bf16 and fp16 say"),
  gradientCheckpointingKwargs: refused(
    orNull(anObject),
    "each block is recomputed whole, and nothing of it can be chosen",
    "Leave it out, or pass { use_reentrant: false }.",
    (value) => hasOnly(value, { use_reentrant: [true, false], useReentrant: [true, false] }),
  ),
  torchCompile: ignored(flag, COMPILED),
  torchCompileBackend: ignored(text, COMPILED),
  torchCompileMode: ignored(text, COMPILED),
  useLigerKernel: ignored(flag, "attention, norms and the loss are fused kernels already"),
  ligerKernelConfig: ignored(orNull(anObject), "its kernels are not used"),
  useCache: ignored(flag, "training keeps no keys and values, and generation always does"),
  torchEmptyCacheSteps: ignored(orNull(whole(1)), "freed memory is used again"),

  // logging
  logOnEachNode: ignored(flag, ONE_PROCESS),
  logLevel: ignored(
    nonEmptyText,
    "warnings go to setWarningHandler, and records where reportTo says",
  ),
  logLevelReplica: ignored(nonEmptyText, ONE_PROCESS),
  project: refused(
    text,
    "Trackio is not supported",
    "Leave it out.",
    (value) => value === "huggingface",
  ),
  trackioSpaceId: refused(text, "Trackio is not supported"),
  trackioBucketId: refused(text, "Trackio is not supported"),
  trackioStaticSpaceId: refused(orNull(switchOrNames), "Trackio is not supported"),

  // evaluation
  evalDoConcatBatches: refused(flag, AT_ONCE, "Leave it out.", (value) => value === true),
  evalUseGatherObject: ignored(flag, ONE_PROCESS),
  evalAccumulationSteps: ignored(
    orNull(whole(1)),
    "predictions are ids, which leave the device with each batch",
  ),
  includeForMetrics: refused(
    orNull(aList),
    "computeMetrics gets predictions and labelIds alone, in the order of the dataset",
    "Take inputs from the dataset.",
  ),
  batchEvalMetrics: refused(flag, AT_ONCE),

  // saving
  saveOnEachNode: ignored(flag, ONE_PROCESS),
  enableJitCheckpoint: ignored(
    flag,
    "gradloom train saves a checkpoint on SIGTERM and Ctrl-C anyway; in code train({ interruptSignal }) does",
  ),
  restoreCallbackStatesFromCheckpoint: ignored(
    flag,
    "callbacks always go on with the state that a checkpoint holds",
  ),
  fullDeterminism: ignored(flag, "a run always repeats itself bit for bit on the same kernels"),

  // devices, processes, data
  acceleratorConfig: refused(
    path,
    "there is no Accelerate to configure",
    "Leave it out.",
    (value) =>
      hasOnly(value, {
        split_batches: [false],
        dispatch_batches: [null, true, false],
        even_batches: [true, false],
        use_seedable_sampler: [true],
        non_blocking: [true, false],
        gradient_accumulation_kwargs: [null],
        use_configured_state: [false],
      }),
  ),
  parallelismConfig: refused(orNull(anObject), NOT_SHARDED),
  dataloaderNumWorkers: ignored(whole(0), IN_PROCESS),
  dataloaderPinMemory: ignored(flag, IN_PROCESS),
  dataloaderPersistentWorkers: ignored(flag, IN_PROCESS),
  dataloaderPrefetchFactor: ignored(count, IN_PROCESS),
  dataloaderMultiprocessingContext: ignored(text, IN_PROCESS),
  dataloaderInOrder: ignored(flag, IN_PROCESS),
  removeUnusedColumns: ignored(
    flag,
    "rows give inputIds, attentionMask and labels, whatever else they hold",
  ),
  labelNames: refused(
    orNull(names),
    "labels are what rows call labels",
    'Leave it out, or pass ["labels"].',
    (value) => isOff(value) || formatValue(value) === '["labels"]',
  ),
  sortishSampler: refused(
    flag,
    "transformers does not read it either",
    'Set trainSamplingStrategy to "group_by_length".',
  ),
  ddpFindUnusedParameters: ignored(maybe, "gradients that a step does not reach are simply absent"),
  ddpBucketCapMb: ignored(count, ONE_PROCESS),
  ddpBroadcastBuffers: ignored(maybe, "T5 has no buffers"),
  ddpStaticGraph: ignored(maybe, ONE_PROCESS),
  ddpBackend: ignored(text, ONE_PROCESS),
  ddpTimeout: ignored(whole(0), ONE_PROCESS),
  fsdp: refused(orNull(switchOrNames), NOT_SHARDED),
  fsdpConfig: refused(
    path,
    NOT_SHARDED,
    "Leave it out.",
    (value) => isOff(value) || isFsdpDefault(value),
  ),
  deepspeed: refused(path, NOT_SHARDED, "Leave it out; LoRA and bf16 weights need less memory."),
  localRank: ignored(anyNumber, ONE_PROCESS),
  debug: refused(
    orNull(switchOrNames),
    "losses are not watched layer by layer",
    "Run the step in detectAnomaly, which names the op.",
  ),
  skipMemoryMetrics: ignored(
    flag,
    "gradloom train prints peak memory at the end; device.memory() has it in code",
  ),
  doTrain: ignored(flag, "the program calls train()"),
  doEval: ignored(flag, "evalStrategy says when it is evaluated, and the program calls evaluate()"),
  doPredict: ignored(
    flag,
    "the program calls predict(); gradloom train scores test rows (--rouge-rows)",
  ),

  // names of version 4
  evaluationStrategy: renamed(nonEmptyText, "evalStrategy"),
  perGpuTrainBatchSize: renamed(count, "perDeviceTrainBatchSize"),
  perGpuEvalBatchSize: renamed(count, "perDeviceEvalBatchSize"),
  labelSmoothing: renamed(anyNumber, "labelSmoothingFactor"),
  groupByLength: switchFor({ trainSamplingStrategy: "group_by_length" }),
  adafactor: switchFor({ optim: "adafactor" }),
  noCuda: switchFor({ useCpu: true }),
  overwriteOutputDir: ignored(
    flag,
    "a run says when its folder holds another, and replaces checkpoints of the same steps",
  ),
  saveSafetensors: refused(
    flag,
    "weights are written as safetensors",
    "Leave it out.",
    (value) => value === true,
  ),
  includeTokensPerSecond: switchFor({ includeNumInputTokensSeen: "all" }),
  includeInputsForMetrics: refused(
    flag,
    "computeMetrics gets predictions and labelIds alone, in the order of the dataset",
    "Take inputs from the dataset.",
  ),
  halfPrecisionBackend: ignored(nonEmptyText, "there is one mixed precision"),
  fp16Backend: ignored(nonEmptyText, "there is one mixed precision"),
  fp16OptLevel: ignored(nonEmptyText, "there is one mixed precision"),
  useLegacyPredictionLoop: ignored(flag, "there is one loop"),
  useMpsDevice: ignored(flag, "openDevice chooses the device"),
  useIpex: ignored(flag, COMPILED),
  jitModeEval: ignored(flag, COMPILED),
  torchdynamo: ignored(text, COMPILED),
  rayScope: ignored(text, "there is no search of hyperparameters"),
  pastIndex: refused(
    anyNumber,
    "T5 has no memory between batches",
    "Leave it out.",
    (value) => value === -1,
  ),
  mpParameters: ignored(anyText, "it is for SageMaker"),
  tpuNumCores: ignored(count, "there are no TPUs"),
  tpuMetricsDebug: ignored(flag, "there are no TPUs"),
  xpuBackend: ignored(text, ONE_PROCESS),
  shardedDdp: refused(orNull(switchOrNames), NOT_SHARDED),
  splitBatches: refused(maybe, "a batch is what one device takes"),
  dispatchBatches: ignored(maybe, ONE_PROCESS),
  fsdpMinNumParams: refused(count, NOT_SHARDED, "Leave it out.", (value) => value === 0),
  fsdpTransformerLayerClsToWrap: refused(text, NOT_SHARDED),
  pushToHubModelId: refused(text, OF_VERSION_3, "Set hubModelId."),
  pushToHubOrganization: refused(text, OF_VERSION_3, 'Set hubModelId to "organization/name".'),
  pushToHubToken: refused(text, OF_VERSION_3, "Set hubToken."),
} as const satisfies Readonly<Record<string, OtherArgument>>;

/** A name of transformers that is no field here. */
export type OtherName = keyof typeof OTHER_ARGUMENTS;

/** Names of transformers that are no fields here, with any value: taken and ignored, refused, or another name of fields. */
export type OtherArguments = { readonly [K in OtherName]?: unknown };

/** Values with which nothing is switched on. */
function isOff(value: unknown): boolean {
  return value === false || value === "" || (Array.isArray(value) && value.length === 0);
}

/** An object without other keys than these, each with one of its values. */
function hasOnly(value: unknown, allowed: Readonly<Record<string, readonly unknown[]>>): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([key, one]) => allowed[key]?.includes(one) === true);
}

/** What transformers fills in for no FSDP. */
function isFsdpDefault(value: unknown): boolean {
  return hasOnly(value, {
    ...{ min_num_params: [0], xla: [false], xla_fsdp_v2: [false], xla_fsdp_grad_ckpt: [false] },
    version: [1, 2],
  });
}
