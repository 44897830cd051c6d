// What the page's worker does between two updates when the page wants a pause.

import type { TrainerState, TrainingArguments } from "../../src/index.ts";
import { expect, it } from "vitest";
import type { TrainEvent } from "../../web/protocol/training.ts";
import { News } from "../../web/worker/training/news.ts";
import { progressCallback, RunControl } from "../../web/worker/training/progress.ts";

function run() {
  const heard: TrainEvent[] = [];
  const control = new RunControl(new AbortController().signal);
  const callback = progressCallback(control, new News((event) => heard.push(event)), []);
  const args = { perDeviceTrainBatchSize: 1, gradientAccumulationSteps: 1 } as TrainingArguments;
  const state = (globalStep: number) =>
    ({ globalStep, maxSteps: 9, numInputTokensSeen: 0 }) as TrainerState;
  return {
    control,
    begin: (step: number) => callback.onStepBegin!(args, state(step), {} as never, {} as never),
    /** @returns whether the update is to be saved */
    end(step: number): boolean {
      const flags = { shouldSave: false, shouldTrainingStop: false };
      void callback.onStepEnd!(args, state(step), flags as never, {} as never);
      return flags.shouldSave;
    },
    pauses: () =>
      heard.flatMap((event) => (event.type === "paused" && event.isPaused ? [event.step] : [])),
  };
}

it("pauses after the update at hand, which is saved", async () => {
  const { control, begin, end, pauses } = run();
  await begin(0);
  control.setPaused(true);
  expect(end(1)).toBe(true);
  const paused = begin(1);
  expect(pauses()).toEqual([1]);
  control.setPaused(false);
  await paused;
});

it("makes one more update and saves it when the wish comes after the end of one", async () => {
  const { control, begin, end, pauses } = run();
  await begin(0);
  expect(end(1)).toBe(false);
  control.setPaused(true);
  await begin(1);
  expect(pauses()).toEqual([]);
  expect(end(2)).toBe(true);
  const paused = begin(2);
  expect(pauses()).toEqual([2]);
  control.setPaused(false);
  await paused;
});
