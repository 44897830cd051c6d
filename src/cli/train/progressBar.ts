// A callback that shows how far training is: a bar on a terminal, lines elsewhere.

import type { TrainerCallback } from "../../train/callbacks.ts";
import type { TrainingArguments } from "../../train/arguments/arguments.ts";
import type { Point } from "../report/charts.ts";
import { startProgress, type Progress } from "../terminal/progress.ts";

export interface TrainingProgress {
  readonly callback: TrainerCallback;
  /** Examples a second between two updates, by update; evaluations and saves do not count. */
  readonly throughput: Point[];
  stop(): void;
}

/** @param isShown false measures the throughput without showing anything */
export function trainingProgress(isShown: boolean): TrainingProgress {
  let progress: Progress | null = null;
  let [loss, rate] = ["", ""];
  let stepBegan = 0;
  const throughput: Point[] = [];

  const callback: TrainerCallback = {
    onTrainBegin(_args, state) {
      if (!isShown) return;
      progress = startProgress("train", state.maxSteps, { begin: state.globalStep });
    },
    onStepBegin() {
      stepBegan = performance.now();
    },
    onStepEnd(args, state) {
      const seconds = (performance.now() - stepBegan) / 1000;
      throughput.push({ x: state.globalStep, y: examplesPerStep(args) / seconds });
      const speed = recentMean(throughput);
      const detail = [loss, rate, `${speed.toPrecision(3)} samples/s`];
      progress?.update(state.globalStep, detail.filter((text) => text !== "").join(", "));
    },
    onLog(_args, _state, _control, { logs = {} }) {
      if (logs.loss !== undefined) loss = `loss ${logs.loss.toFixed(4)}`;
      if (logs.learning_rate !== undefined) rate = `lr ${logs.learning_rate.toPrecision(3)}`;
    },
  };
  return { callback, throughput, stop: () => progress?.stop() };
}

/** Of a full update; the last one of an epoch may have fewer. */
function examplesPerStep(args: TrainingArguments): number {
  return args.perDeviceTrainBatchSize * args.gradientAccumulationSteps;
}

function recentMean(points: readonly Point[]): number {
  const recent = points.slice(-10);
  return recent.reduce((sum, { y }) => sum + y, 0) / recent.length;
}
