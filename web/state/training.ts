// A training run as the page sees it.

import { batch, computed, signal } from "@preact/signals";
import { addPoint } from "../protocol/points.ts";
import type {
  LogLine,
  Sample,
  TrainEvent,
  TrainRequest,
  TrainResult,
  TrainSettings,
} from "../protocol/training.ts";
import { call } from "./client.ts";
import { setPreview, sourceColumn, targetColumn } from "./data.ts";
import { model, setModel } from "./model.ts";
import { stored } from "./stored.ts";

export const DEFAULTS: TrainSettings = {
  ...{ method: "lora", loraR: 8, loraAlpha: 16, loraDropout: 0.05 },
  ...{ learningRate: 1e-3, epochs: 1, maxSteps: 100, batchSize: 8, gradientAccumulationSteps: 1 },
  ...{ scheduler: "linear", warmupRatio: 0.05, weightDecay: 0, maxLength: 512, seed: 42 },
  ...{ loggingSteps: 5, evalSteps: 0, evalRows: 16, saveSteps: 25, gradientCheckpointing: false },
};

export type Status = "idle" | "running" | "paused" | "interrupted" | "done";

export const settings = signal<TrainSettings>(DEFAULTS);
export const status = signal<Status>("idle");
export const stage = signal("");
export const step = signal(0);
export const maxSteps = signal(0);
export const speed = signal({ tokensPerSecond: 0, samplesPerSecond: 0, secondsLeft: 0 });
/** Tokens a second by update. */
export const speeds = signal<readonly { readonly x: number; readonly y: number }[]>([]);
export const log = signal<readonly LogLine[]>([]);
export const samples = signal<readonly Sample[]>([]);
export const savedStep = signal(0);
export const trainable = signal(0);
export const result = signal<TrainResult | null>(null);

export const isBusy = computed(() => status.value === "running" || status.value === "paused");

/** Why the arguments cannot train the model that is loaded; null where they can. The Trainer would say so after the work before it. */
export const refusal = computed(() =>
  model.value?.dtype === "int8" && settings.value.method === "all"
    ? "Weights in int8 cannot be trained. Train an adapter, or choose f32 or bf16 in the section Model."
    : null,
);

let controller: AbortController | null = null;

export function setField<K extends keyof TrainSettings>(name: K, value: TrainSettings[K]): void {
  settings.value = { ...settings.value, [name]: value };
}

export async function train(resume = false): Promise<void> {
  const columns = { source: sourceColumn.value, target: targetColumn.value };
  await begin({ columns, settings: settings.value, resume });
}

async function begin(request: TrainRequest): Promise<void> {
  const own = new AbortController();
  controller = own;
  batch(() => {
    status.value = "running";
    result.value = null;
    step.value = maxSteps.value = savedStep.value = 0;
    if (!request.resume) log.value = [];
    speeds.value = [];
    lastSpeed = -Infinity;
    samples.value = [];
    stored.value = null;
  });
  try {
    result.value = await call("train", request, { onEvent: apply, signal: own.signal });
    status.value = "done";
    if (model.value)
      model.value = { ...model.value, hasAdapter: request.settings.method === "lora" };
  } catch (error) {
    status.value = "interrupted";
    throw error;
  } finally {
    stage.value = "";
  }
}

function apply(event: TrainEvent): void {
  switch (event.type) {
    case "stage":
      stage.value = event.text;
      return;
    case "restored":
      batch(() => {
        setModel(event.model);
        if (event.data) setPreview(event.data);
      });
      return;
    case "begin":
      batch(() => {
        step.value = event.step;
        maxSteps.value = event.maxSteps;
        trainable.value = event.trainable;
        log.value = log.value.filter((line) => line.step <= event.step);
      });
      return;
    case "step":
      batch(() => {
        step.value = event.step;
        speed.value = event;
        addSpeed(event.step, event.tokensPerSecond);
      });
      return;
    case "log":
      log.value = shownLines([...log.value, ...event.lines]);
      return;
    case "paused":
      status.value = event.isPaused ? "paused" : "running";
      return;
    case "saved":
      savedStep.value = event.step;
      return;
    case "samples":
      samples.value = event.samples;
      return;
  }
}

/** Milliseconds between two points of the curve of speeds, and the most of them: more are not seen, and drawing them takes time. */
const BETWEEN_SPEEDS = 1000;
const MOST_SPEEDS = 400;
let lastSpeed = -Infinity;

function addSpeed(x: number, y: number): void {
  if (y === 0 || performance.now() - lastSpeed < BETWEEN_SPEEDS) return;
  lastSpeed = performance.now();
  const points = [...speeds.value];
  addPoint(points, { x, y }, MOST_SPEEDS);
  speeds.value = points;
}

export async function setPaused(isPaused: boolean): Promise<void> {
  stage.value = isPaused ? "Pausing after this update" : "Training";
  await call("pauseTraining", { isPaused });
}

/** More lines than this are not seen in a curve. The log that is taken along has all of them. */
const MOST_LINES = 2000;

/** Of very many lines every second one of training is left out. */
function shownLines(lines: readonly LogLine[]): readonly LogLine[] {
  if (lines.length < MOST_LINES) return lines;
  return lines.filter((line, i) => line["loss"] === undefined || i % 2 === 0);
}

/** After the update at hand; what was learned stays. */
export function stop(): void {
  stage.value = "Stopping after this update";
  controller?.abort();
}
