// Whether dropout is on, and what products are rounded to, as parts of a call: a forward pass is synchronous, so between two of
// them a model belongs to whoever made it, and an evaluation beside a training changes nothing of either.

import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { Synchronous } from "../tensor/scope.ts";
import type { TrainableModel } from "./trainableModel.ts";

export interface Mode {
  /** Whether dropout is on. */
  readonly training: boolean;
  /** What products are rounded to; null for f32. */
  readonly autocast: HalfDtype | null;
  /** Strength of the noise on embeddings; default null. */
  readonly neftuneNoiseAlpha?: number | null;
}

/** Runs `fn` with the model in `mode`, and puts it back. `fn` must be synchronous. */
export function inMode<T>(
  model: TrainableModel,
  { training, autocast, neftuneNoiseAlpha: noise = null }: Mode,
  fn: () => T,
  ..._synchronous: Synchronous<T>
): T {
  const [wasTraining, before] = [model.training, model.autocast];
  const noiseBefore = model.neftuneNoiseAlpha;
  switchTo(model, training);
  if (before !== undefined) model.autocast = autocast;
  if (noiseBefore !== undefined) model.neftuneNoiseAlpha = noise;
  try {
    return fn();
  } finally {
    switchTo(model, wasTraining);
    if (before !== undefined) model.autocast = before;
    if (noiseBefore !== undefined) model.neftuneNoiseAlpha = noiseBefore;
  }
}

/** Evaluations under way of a model, and whether its owner had it in train mode. */
const evaluated = new WeakMap<TrainableModel, { running: number; readonly wasTraining: boolean }>();

/** Runs `work` with dropout off, also of what it does between forward passes (`generate`); the last one to end puts it back. */
export async function inEvaluation<T>(model: TrainableModel, work: () => Promise<T>): Promise<T> {
  const held = evaluated.get(model) ?? { running: 0, wasTraining: model.training };
  evaluated.set(model, held);
  held.running++;
  model.eval();
  try {
    return await work();
  } finally {
    if (--held.running === 0) {
      evaluated.delete(model);
      switchTo(model, held.wasTraining);
    }
  }
}

const trained = new WeakSet<TrainableModel>();

/** Runs `work`, which trains the model. @throws {ArgumentError} while another run does: their updates would mix */
export async function inTraining<T>(model: TrainableModel, work: () => Promise<T>): Promise<T> {
  if (trained.has(model)) {
    throw new ArgumentError(
      "train: a model must be trained by one run at a time, got one that another run is training. " +
        "Await that run first, or load the model a second time.",
    );
  }
  trained.add(model);
  try {
    return await work();
  } finally {
    trained.delete(model);
  }
}

function switchTo(model: TrainableModel, training: boolean): void {
  if (model.training === training) return;
  if (training) model.train();
  else model.eval();
}
