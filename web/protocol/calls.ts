// Everything the page can ask of its worker.

import type { DataChoice, DataPreview } from "./data.ts";
import type { DeviceChoice, DeviceFacts } from "./device.ts";
import type { AttentionMap, AttentionRequest } from "./attention.ts";
import type { GradientCheck, MatmulRate, MatmulRequest, Peak } from "./kernels.ts";
import type { KeptModel, LoadProgress, ModelChoice, ModelFacts } from "./model.ts";
import type { Summary, SummaryRequest, TextSoFar } from "./summary.ts";
import type { Package, PackageRequest, PushDone, PushRequest } from "./takeAlong.ts";
import type { StoredRun, TrainEvent, TrainRequest, TrainResult } from "./training.ts";

interface Call<P, R, E = never> {
  readonly parameters: P;
  readonly result: R;
  readonly event: E;
}

type Nothing = Record<string, never>;

export interface Calls {
  openDevice: Call<DeviceChoice, DeviceFacts>;
  loadModel: Call<ModelChoice, ModelFacts, LoadProgress>;
  /** Models in the browser's private files. */
  listKept: Call<Nothing, readonly KeptModel[]>;
  deleteKept: Call<{ readonly key: string }, readonly KeptModel[]>;
  /** Aborted, it gives the text so far. */
  summarise: Call<SummaryRequest, Summary, TextSoFar>;
  attention: Call<AttentionRequest, AttentionMap>;
  /** Reads the data and keeps it for `train`. */
  readData: Call<DataChoice, DataPreview, LoadProgress>;
  /** Aborted, it stops after the update at hand and gives what it has. */
  train: Call<TrainRequest, TrainResult, TrainEvent>;
  pauseTraining: Call<{ readonly isPaused: boolean }, null>;
  /** Writes a checkpoint at the next update: the page may be closed. */
  saveSoon: Call<Nothing, null>;
  /** The run that a reload or a crash cut short, if any. */
  findRun: Call<Nothing, StoredRun | null>;
  discardRun: Call<Nothing, null>;
  makePackage: Call<PackageRequest, Package>;
  push: Call<PushRequest, PushDone, LoadProgress>;
  measurePeak: Call<Nothing, Peak>;
  measureMatmul: Call<MatmulRequest, MatmulRate>;
  checkGradient: Call<{ readonly op: string }, GradientCheck>;
}

export type Method = keyof Calls;
