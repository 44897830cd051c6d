// Start, pause, resume, stop; and how far the run is.

import { computed, type ReadonlySignal } from "@preact/signals";
import type { ComponentChild } from "preact";
import { preview } from "../../state/data.ts";
import { model } from "../../state/model.ts";
import { attempt } from "../../state/notices.ts";
import {
  isBusy,
  maxSteps,
  refusal,
  savedStep,
  setPaused,
  speed,
  stage,
  status,
  step,
  stop,
  train,
  trainable,
} from "../../state/training.ts";
import { stored } from "../../state/stored.ts";
import { discardRun, resumeStored } from "../../state/storedRun.ts";
import { count, duration, significant } from "../format.ts";

/** What a reload or a crash cut short. */
export function StoredRunNote(): ComponentChild {
  const found = stored.value;
  if (found === null || isBusy.value) return null;
  const { step, maxSteps, modelName, dataName } = found;
  const hasEnded = step >= maxSteps && maxSteps > 0;
  return (
    <div class="notice info" role="group" aria-label="Stored run" data-testid="stored-run">
      <p>
        {hasEnded ? "A finished run is kept" : "A run was interrupted"}: {modelName} on {dataName},{" "}
        {step} of {maxSteps} updates.
      </p>
      <p class="row">
        <button onClick={() => void attempt(resumeStored)}>
          {hasEnded ? "Take it up" : `Resume from update ${step}`}
        </button>
        <button class="secondary" onClick={() => void attempt(discardRun)}>
          Discard
        </button>
      </p>
    </div>
  );
}

export function RunBar(): ComponentChild {
  const isPaused = status.value === "paused";
  const isReady = model.value !== null && preview.value !== null && refusal.value === null;
  return (
    <section class="run" aria-labelledby="run-title">
      <h3 id="run-title" class="sr-only">
        Run
      </h3>
      <p class="row">
        <button disabled={isBusy.value || !isReady} onClick={() => void attempt(() => train())}>
          Train
        </button>
        <button
          class="secondary"
          disabled={!isBusy.value}
          onClick={() => void attempt(() => setPaused(!isPaused))}
        >
          {isPaused ? "Resume" : "Pause"}
        </button>
        <button class="secondary" disabled={!isBusy.value} onClick={stop}>
          Stop
        </button>
        <span role="status" data-testid="run-status">
          {statusLine}
        </span>
      </p>
      {isBusy.value && <progress value={step} max={most} aria-label="Updates of the run" />}
      {status.value !== "idle" && <RunFigures />}
    </section>
  );
}

const statusLine = computed(statusText);
const most = computed(() => Math.max(1, maxSteps.value));

function statusText(): string {
  switch (status.value) {
    case "idle":
      return "";
    case "running":
      return stage.value;
    case "paused":
      return savedStep.value === step.value && step.value > 0
        ? "Paused, with a checkpoint: the page may be closed"
        : "Paused";
    case "interrupted":
      return "Interrupted";
    case "done":
      return "Done";
  }
}

/** What changes with every update, as signals: they write into the page without drawing the run anew. */
const figures: readonly (readonly [string, ReadonlySignal<string>])[] = [
  ["Update", computed(() => `${step.value} of ${maxSteps.value}`)],
  ["Tokens/s", computed(() => rate(speed.value.tokensPerSecond))],
  ["Samples/s", computed(() => rate(speed.value.samplesPerSecond))],
  ["Time left", computed(timeLeft)],
  ["Trained weights", computed(() => (trainable.value > 0 ? count(trainable.value) : "–"))],
  ["Checkpoint", computed(() => (savedStep.value > 0 ? `update ${savedStep.value}` : "none yet"))],
];

function rate(perSecond: number): string {
  return perSecond > 0 ? significant(perSecond) : "–";
}

function timeLeft(): string {
  return status.value === "running" && step.value > 0 ? duration(speed.value.secondsLeft) : "–";
}

function RunFigures(): ComponentChild {
  return (
    <dl class="tiles" data-testid="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
