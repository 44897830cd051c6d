// What pages import from "gradloom" (package.json, the condition "browser"): everything but what shares a machine with
// other processes. Folders are those of the page's private file system (src/tensor/files).
// Each type that a signature names is exported, too, so that a program can name what it gets
// (test/meta/publicTypes.test.ts).

export { openDevice } from "./kernels/openDevice.ts";
export type { DeviceKind, DeviceOptions } from "./kernels/deviceOptions.ts";
export type { AdviseMemory } from "./tensor/memoryPool.ts";
export type { WasmVariant } from "./kernels/wasm/load.ts";
export { debugLevel, setDebug, type DebugLevel, type DebugOptions } from "./tensor/debug.ts";
export type { Device, MemoryStats } from "./tensor/device.ts";
export type { DataArray, Dtype, FloatArray, Reducible } from "./tensor/dtype.ts";
export * from "./tensor/errors.ts";
export { Generator, type RandomStream } from "./tensor/philox.ts";
export { setWarningHandler, type WarningHandler } from "./tensor/warnings.ts";
export {
  readSafetensors,
  openSafetensors,
  writeSafetensors,
  type SafetensorsData,
  type SafetensorsDtype,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsInput,
  type SafetensorsInputs,
  type SafetensorsTensor,
} from "./tensor/safetensors.ts";
export { keep, scope, Scope, type Owned, type Synchronous } from "./tensor/scope.ts";
export type { Shape } from "./tensor/shape.ts";
export { arange, ones, rand, randn, type RandomOptions } from "./tensor/creation.ts";
export type { NestedNumbers, TensorData } from "./tensor/nested.ts";
export { full, Tensor, tensor, zeros, type TensorOptions } from "./tensor/tensor.ts";

export * from "./autograd/index.ts";
export { argmaxForward as argmax, topkForward as topk } from "./kernels/rows/argmax.ts";
export type { RelativePositionBiasOptions } from "./kernels/attention/positionBias.ts";
export type { MatmulOptions } from "./kernels/matmul/matmul.ts";
export type { Dropout } from "./kernels/pointwise/dropout.ts";
export type { HalfDtype } from "./kernels/pointwise/roundTo.ts";
export type { CrossEntropyOptions } from "./kernels/rows/crossEntropy.ts";

export {
  deleteCachedRepository,
  listCachedRepositories,
  type CacheChoice,
  type CachedRepository,
  type CachedRevision,
} from "./hub/cachedRepositories.ts";
export type { DownloadProgress, HubOptions } from "./hub/options.ts";
export { pushFolderToHub } from "./hub/pushFolder.ts";
export type { PushOptions, PushProgress, PushResult } from "./hub/push.ts";
export type { JsonObject } from "./model/jsonFields.ts";
export type { ModelSource } from "./model/modelFolder.ts";
export { Tokenizer, type Encoded, type EncodeOptions } from "./model/tokenizer.ts";
export { TextStreamer, type TextStreamerOptions } from "./model/textStreamer.ts";
export { T5Config, type Activation, type ModelType } from "./t5/config.ts";
export type { GenerationConfig } from "./t5/generationConfig.ts";
export type { EncoderInputs, TokenIds } from "./t5/inputs.ts";
export { T5ForConditionalGeneration, type PretrainedOptions } from "./t5/model.ts";
export type { TorchDtype, WeightDtype } from "./model/weightDtype.ts";
export type { ForwardInputs, ForwardOutputs, PackedOutputs, T5Network } from "./t5/network.ts";
export { addLora, mergeLora, removeLora, unmergeLora } from "./t5/lora/adapter.ts";
export { LoraConfig, type LoraOptions } from "./t5/lora/config.ts";
export { loadLora, saveLora } from "./t5/lora/files.ts";
export type { LoraModel } from "./t5/lora/loraModel.ts";
export type { GenerateManyOptions } from "./generation/generateMany.ts";
export type { GenerationResult } from "./generation/generate.ts";
export type { GenerationOptions, SequenceBias } from "./generation/options.ts";
export { nextTokenProbabilities, type SamplingOptions } from "./generation/sampling.ts";
export type { TokenStreamer } from "./generation/session.ts";

export {
  rouge,
  rougeScores,
  type DefaultRougeType,
  type References,
  type RougeOptions,
  type RougeScore,
  type RougeScoresOptions,
  type RougeType,
} from "./eval/rouge.ts";

export type { Collator, IndexedDataset, TrainDataset } from "./data/batches.ts";
export {
  seq2seqCollate,
  type Batch,
  type Example,
  type Seq2SeqCollateOptions,
} from "./data/collate.ts";
export type { Columns, Dataset, DatasetDict, Row, Split } from "./data/dataset.ts";
export {
  preprocess,
  type Encoder,
  type PreprocessOptions,
  type RowEncoding,
} from "./data/preprocess.ts";
export { previewDataset, type PreviewOptions, type SplitPreview } from "./data/previewDataset.ts";
export { loadDataset, streamDataset, type LoadDatasetOptions } from "./data/loadDataset.ts";
export { buildPrompt } from "./data/prompt.ts";
export type { RowOptions } from "./data/rowChecks.ts";
export { summarize, type GeneratingModel, type SummarizeOptions } from "./data/summarize.ts";
export { shuffle, tokenizedStream, type ShuffleOptions } from "./data/streams.ts";
export type { OtherArguments, OtherName } from "./train/arguments/otherArguments.ts";
export type {
  HubStrategy,
  IntervalStrategy,
  ReporterName,
  SamplingStrategy,
  SaveStrategy,
  TrainingArguments,
  TrainingArgumentsInput,
} from "./train/arguments/arguments.ts";
export {
  EarlyStoppingCallback,
  type CallbackEvent,
  type CallbackInfo,
  type EarlyStoppingOptions,
  type Hook,
  type TrainerCallback,
  type TrainerControl,
} from "./train/callbacks.ts";
export type { CallbackState, LogRecord, TrainerState } from "./train/trainerState.ts";
export { rougeMetrics, type Decoder } from "./train/rougeMetrics.ts";
export type { Metrics } from "./train/speed.ts";
export { TensorBoardCallback, type TensorBoardOptions } from "./train/tensorboard/callback.ts";
export {
  renderTrainingReport,
  type SampleRow,
  type TrainingReport,
} from "./cli/report/trainingPage.ts";
export type { Point as ChartPoint, Series as ChartSeries } from "./cli/report/charts.ts";
export type { TrainableModel } from "./train/trainableModel.ts";
export {
  Trainer,
  type ComputeMetrics,
  type EvalPrediction,
  type EvaluateOptions,
  type ModelCardOptions,
  type TrainerOptions,
  type TrainerPushOptions,
  type TrainerTokenizer,
  type TrainOptions,
  type TrainOutput,
} from "./train/trainer.ts";

export {
  singleProcess,
  type GroupBuffer,
  type ProcessGroup,
  type GroupRequest,
} from "./distributed/processGroup.ts";
export type { WireDtype } from "./distributed/wire.ts";
export type { Interruptions } from "./train/agreement.ts";
export { AdamW, type AdamWOptions } from "./optim/adamw.ts";
export { Adafactor, type AdafactorOptions } from "./optim/adafactor.ts";
export { clipGradNorm, type Clipped } from "./optim/clipGradNorm.ts";
export type { Gradients } from "./optim/gradients.ts";
export {
  scheduleFactor,
  type CountedSchedule,
  type MetricSchedule,
  type ScheduleSettings,
  type SchedulerType,
} from "./optim/schedule.ts";
export type { ScheduleOptions } from "./optim/scheduleOptions.ts";
export {
  GreedyLR,
  ReduceLROnPlateau,
  type MetricOptions,
  type MetricRate,
  type MetricScheduleState,
} from "./optim/plateau.ts";
