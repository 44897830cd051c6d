// What a run of `gradloom train` can be told.

import type { GenerationOptions } from "../../generation/options.ts";
import type { WireDtype } from "../../distributed/wire.ts";
import type { DeviceKind } from "../../kernels/deviceOptions.ts";
import type { LoraConfig } from "../../t5/lora/config.ts";
import type { StoredWeights } from "../../model/weightDtype.ts";
import type { TrainingArguments } from "../../train/arguments/arguments.ts";
import type { DatasetFlags } from "../datasetOptions.ts";

export interface TrainSettings extends DatasetFlags {
  /** The model to start from: folder or Hub id. */
  readonly model: string;
  /** Of a model from the Hub. */
  readonly revision?: string;
  /** Folder or Hub id of another tokenizer. */
  readonly tokenizerName?: string;
  readonly dtype?: StoredWeights | undefined;
  /** Replaces the dropout rate of config.json. */
  readonly dropout?: number;
  /** Trains an adapter of this kind instead of the model. */
  readonly lora: LoraConfig | null;
  readonly device: DeviceKind;
  readonly threads?: number;
  /** Whether tokens are kept for the next time. */
  readonly cache: boolean;
  /** The notebook's preprocessing, which pads labels with 0 and passes no mask. */
  readonly faithful: boolean;
  /** Training rows are read as a stream and tokenised as they come. */
  readonly streaming: boolean;
  /** Rows of the stream held in memory, of which a random one comes next. */
  readonly shuffleBuffer: number;
  readonly maxTrainRows?: number;
  readonly maxEvalRows?: number;
  /** Longest prompt and summary in training, in tokens. */
  readonly maxLength: number;
  /** Of the prompt alone; of summaries that are generated, too. */
  readonly maxSourceLength?: number;
  /** Of the summary alone. */
  readonly maxTargetLength?: number;
  readonly earlyStoppingPatience?: number;
  readonly earlyStoppingThreshold: number;
  /** With several processes: what their gradients travel as, and whether they share the optimizer's moments. */
  readonly gradientWire: WireDtype;
  readonly zeroStage: 0 | 1;
  /** A checkpoint folder, or true for the newest one of the output folder. */
  readonly resumeFromCheckpoint?: string | true | undefined;
  /** Test rows summarised and scored at the end. */
  readonly rougeRows: number;
  /** How summaries are generated, in evaluations too. */
  readonly generation: GenerationOptions;
  /** Longest of those summaries, in tokens. */
  readonly maxNewTokens: number;
  /** Validation rows summarised at every evaluation. */
  readonly sampleRows: number;
  readonly arguments: TrainingArguments;
}
