// generateMany(): sequences for any number of inputs, in continuous batches.

import { formatValue } from "../fields/rules.ts";
import { ArgumentError } from "../tensor/errors.ts";
import { BeamBatch } from "./beamSearch.ts";
import { longestFirst, runContinuously } from "./continuous.ts";
import { SequenceBatch } from "./greedy.ts";
import type { ModelOptions } from "./modelOptions.ts";
import type { GenerationOptions } from "./options.ts";
import { rowsPerItem, type GenerationPlan } from "./plan.ts";
import { planFor } from "./generate.ts";
import { seededUniforms } from "./sampling.ts";
import type { GenerationTask, OpenSession } from "./session.ts";

const DEFAULT_BATCH_SIZE = 8;
/** Batches within which inputs are taken by length. */
const WINDOW = 8;

/** How `generateMany` works: the options of `generate` but for `streamer` and `returnDictInGenerate`, and these. */
export interface GenerateManyOptions extends Omit<
  GenerationOptions,
  "streamer" | "returnDictInGenerate"
> {
  /** Most inputs decoded at a time. Default 8; with `maxTokens` as many as that lets in. */
  readonly batchSize?: number | undefined;
  /** Most tokens in the batch: those of its inputs, and the greatest length of each one's sequence. An input alone may have more. */
  readonly maxTokens?: number | undefined;
  /** Called with the number of inputs done, as each ends. They need not end in their order. */
  readonly onProgress?: ((done: number, total: number) => unknown) | undefined;
}

/**
 * Generates sequences for all items of a task, numReturnSequences for each, in their order.
 * @param open called once, when the first sequence is asked for
 * @throws as `runGeneration`, for options before anything is computed
 */
export function runMany(
  open: OpenSession,
  task: GenerationTask,
  options: GenerateManyOptions,
  model: ModelOptions,
): AsyncGenerator<number[]> {
  const { batchSize, maxTokens, onProgress, ...generation } = options;
  const { streamer, returnDictInGenerate }: GenerationOptions = generation;
  for (const [name, value] of Object.entries({ streamer, returnDictInGenerate })) {
    if (!value) continue;
    throw new ArgumentError(
      `generateMany: ${name} must be left out, got ${formatValue(value)}. generate() takes it, for one batch.`,
    );
  }
  checkCount("batchSize", batchSize);
  checkCount("maxTokens", maxTokens);
  const plan = planFor(generation, model);
  const most = batchSize ?? (maxTokens === undefined ? DEFAULT_BATCH_SIZE : Infinity);
  const limits = { batchSize: most, maxTokens: maxTokens ?? Infinity };
  return sequencesOf(open, task, plan, limits, onProgress);
}

async function* sequencesOf(
  open: OpenSession,
  task: GenerationTask,
  plan: GenerationPlan,
  limits: { readonly batchSize: number; readonly maxTokens: number },
  onProgress: GenerateManyOptions["onProgress"],
): AsyncGenerator<number[]> {
  const total = task.batchSize;
  if (total === 0) return;
  plan.signal?.throwIfAborted();
  const lengths = task.inputIds.map((ids) => ids.length);
  const tokens = (item: number): number => lengths[item]! + rowsPerItem(plan) * plan.maxLength;
  const shortest = lengths.reduce((least, length) => Math.min(least, length), Infinity);
  const fitting = Math.floor(limits.maxTokens / (shortest + rowsPerItem(plan) * plan.maxLength));
  const batchSize = Math.max(1, Math.min(limits.batchSize, fitting, total));
  const session = await open({ items: batchSize, rowsPerItem: rowsPerItem(plan) });
  try {
    const Batch = plan.numBeams === 1 ? SequenceBatch : BeamBatch;
    const batch = new Batch(session, task, plan, seededUniforms(plan.seed));
    const order = longestFirst(lengths, WINDOW * batchSize);
    const schedule = { order, batchSize, maxTokens: limits.maxTokens, tokens };
    let done = 0;
    const onFinished = () => void onProgress?.(++done, total);
    for await (const item of runContinuously(batch, schedule, plan.signal, onFinished)) {
      yield* item.sequences;
    }
  } finally {
    session.close();
  }
}

function checkCount(name: string, value: unknown): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= 1)) return;
  throw new ArgumentError(
    `generateMany: ${name} must be a whole number >= 1, got ${formatValue(value)}`,
  );
}
