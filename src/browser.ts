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
export { argmax, topk } from "./kernels/argmax.ts";

export type { DownloadProgress, HubOptions } from "./t5/hub/options.ts";
export { T5Config } from "./t5/config.ts";
export type { ModelSource } from "./t5/modelFolder.ts";
export { T5ForConditionalGeneration, type PretrainedOptions } from "./t5/model.ts";
export { addLora, mergeLora, removeLora, unmergeLora } from "./t5/lora/adapter.ts";
export { LoraConfig, type LoraOptions } from "./t5/lora/config.ts";
export { loadLora, saveLora } from "./t5/lora/files.ts";
export type { ForwardInputs, ForwardOutputs } from "./t5/network.ts";
export { Tokenizer } from "./t5/tokenizer.ts";
export { nextTokenProbabilities } from "./t5/generation/sampling.ts";
export type { GenerationOptions } from "./t5/generation/options.ts";

export { rouge, rougeScores, type RougeScore } from "./eval/rouge.ts";

export type { Columns, Dataset, DatasetDict, Row } from "./train/dataset.ts";
export { preprocess } from "./train/preprocess.ts";
export { shuffle, tokenizedStream } from "./train/streams.ts";
export { seq2seqCollate } from "./train/collate.ts";
export {
  Trainer,
  type ComputeMetrics,
  type EvalPrediction,
  type TrainerOptions,
} from "./train/trainer.ts";
export { EarlyStoppingCallback, type TrainerCallback } from "./train/callbacks.ts";
export { rougeMetrics } from "./train/rougeMetrics.ts";
