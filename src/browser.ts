// What pages import from "gradloom" (package.json, the condition "browser"): everything but what reads folders.

export { openDevice, type DeviceKind, type DeviceOptions } from "./kernels/openDevice.ts";
export type { Device, MemoryStats } from "./tensor/device.ts";
export type { Dtype } from "./tensor/dtype.ts";
export * from "./tensor/errors.ts";
export { Generator } from "./tensor/philox.ts";
export {
  readSafetensors,
  openSafetensors,
  writeSafetensors,
  type SafetensorsFile,
} from "./tensor/safetensors.ts";
export { keep, scope, Scope } from "./tensor/scope.ts";
export { full, Tensor, tensor, zeros, type TensorOptions } from "./tensor/tensor.ts";

export * from "./autograd/index.ts";
export { argmaxForward, topkForward } from "./kernels/rows/argmax.ts";

export type { DownloadProgress, HubOptions } from "./hub/options.ts";
export { T5Config } from "./t5/config.ts";
export type { ModelSource } from "./model/modelFolder.ts";
export { T5ForConditionalGeneration, type PretrainedOptions } from "./t5/model.ts";
export { addLora, mergeLora, removeLora, unmergeLora } from "./t5/lora/adapter.ts";
export { LoraConfig, type LoraOptions } from "./t5/lora/config.ts";
export { loadLora, saveLora } from "./t5/lora/files.ts";
export type { ForwardInputs, ForwardOutputs } from "./t5/network.ts";
export { Tokenizer } from "./model/tokenizer.ts";
export { nextTokenProbabilities } from "./generation/sampling.ts";
export type { GenerationOptions } from "./generation/options.ts";

export { rouge, rougeScores, type RougeScore } from "./eval/rouge.ts";

export type { Columns, Dataset, DatasetDict, Row } from "./data/dataset.ts";
export { preprocess } from "./data/preprocess.ts";
export { shuffle, tokenizedStream } from "./data/streams.ts";
export { seq2seqCollate } from "./data/collate.ts";
export {
  Trainer,
  type ComputeMetrics,
  type EvalPrediction,
  type TrainerOptions,
} from "./train/trainer.ts";
export { EarlyStoppingCallback, type TrainerCallback } from "./train/callbacks.ts";
export { rougeMetrics } from "./train/rougeMetrics.ts";

export { AdamW, type AdamWOptions } from "./optim/adamw.ts";
export { clipGradNorm, type Clipped } from "./optim/clipGradNorm.ts";
export type { Gradients } from "./optim/gradients.ts";
export { scheduleFactor, type ScheduleSettings, type SchedulerType } from "./optim/schedule.ts";
