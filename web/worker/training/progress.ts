// The callback that tells the page how far training is, and does what the page asks between two updates.

import type { LogRecord, TrainerCallback, TrainingArguments } from "gradloom";
import { addPoint } from "../../protocol/points.ts";
import type { News } from "./news.ts";

/** Of updates, for the speed that is shown: one alone jumps about. */
const SMOOTHING = 0.8;

/** What the page wants of the run at hand. */
export class RunControl {
  readonly signal: AbortSignal;
  isPaused = false;
  isSaveWanted = false;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener("abort", () => this.#wake());
  }

  /** A pause begins with a checkpoint, so that the page may be closed. */
  setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    if (isPaused) this.isSaveWanted = true;
    this.#wake();
  }

  /** Resolves when the run may go on. */
  async whilePaused(): Promise<void> {
    while (this.isPaused && !this.signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Examples a second by update, for the report. */
export interface SpeedPoint {
  readonly x: number;
  readonly y: number;
}

export function progressCallback(
  control: RunControl,
  news: News,
  speeds: SpeedPoint[],
): TrainerCallback {
  let began = 0;
  let tokensBefore = 0;
  let [secondsPerStep, tokensPerSecond] = [0, 0];
  const smooth = (before: number, now: number): number =>
    before === 0 ? now : SMOOTHING * before + (1 - SMOOTHING) * now;
  return {
    onTrainBegin(_args, { numInputTokensSeen }) {
      tokensBefore = numInputTokensSeen;
    },
    async onStepBegin(_args, { globalStep }) {
      // The wish may come after the last update's end, and on a GPU mostly does: then one more update is made, and saved.
      if (control.isPaused && !control.isSaveWanted && !control.signal.aborted) {
        news.event({ type: "paused", isPaused: true, step: globalStep });
        await control.whilePaused();
        news.event({ type: "paused", isPaused: false, step: globalStep });
      }
      began = performance.now();
    },
    onStepEnd(args, { globalStep, maxSteps, numInputTokensSeen }, flags) {
      const seconds = (performance.now() - began) / 1000;
      secondsPerStep = smooth(secondsPerStep, seconds);
      // Tokens are counted once the update has ended: these are those of the update before.
      const tokens = numInputTokensSeen - tokensBefore;
      tokensBefore = numInputTokensSeen;
      if (tokens > 0) tokensPerSecond = smooth(tokensPerSecond, tokens / seconds);
      const samplesPerSecond = examplesPerStep(args) / secondsPerStep;
      addPoint(speeds, { x: globalStep, y: examplesPerStep(args) / seconds });
      const secondsLeft = (maxSteps - globalStep) * secondsPerStep;
      news.step({ step: globalStep, tokensPerSecond, samplesPerSecond, secondsLeft });
      if (control.signal.aborted) flags.shouldTrainingStop = true;
      if (!control.isSaveWanted) return;
      control.isSaveWanted = false;
      flags.shouldSave = true;
    },
    onLog(_args, state) {
      news.line(state.logHistory.at(-1) as LogRecord);
    },
    onSave(_args, { globalStep }) {
      news.event({ type: "saved", step: globalStep });
    },
  };
}

function examplesPerStep(args: TrainingArguments): number {
  return args.perDeviceTrainBatchSize * args.gradientAccumulationSteps;
}
