// What a run of the notebook can be told.

import type { DeviceKind } from "../../kernels/deviceOptions.ts";
import type { LoraConfig } from "../../t5/lora/config.ts";
import type { DatasetFlags } from "../datasetOptions.ts";

export interface NotebookSettings extends DatasetFlags {
  /** The model to start from: folder or Hub id. */
  readonly model: string;
  /** Of a model from the Hub. */
  readonly revision?: string;
  /** Whether tokens are kept for the next time. */
  readonly cache: boolean;
  readonly device: DeviceKind;
  /** The notebook's preprocessing, which pads labels with 0 and passes no mask. */
  readonly faithful: boolean;
  /** Trains an adapter of this kind instead of the model. */
  readonly lora: LoraConfig | null;
  readonly maxSteps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly weightDecay: number;
  readonly loggingSteps: number;
  /** Replaces the dropout rate of config.json. */
  readonly dropout?: number;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Test row shown in full; the last one when there are fewer. */
  readonly example: number;
  /** Test rows summarised and scored. */
  readonly rougeRows: number;
  /** Folder for checkpoints and report.html. */
  readonly output: string;
  /** Where fine-tuning goes on from: a checkpoint folder, or true for the newest one of `output`. */
  readonly resumeFromCheckpoint?: string | true;
}
