// generate(): from options to sequences, for any model that can open a DecoderSession.

import { beamSearch } from "./beamSearch.ts";
import { greedySearch } from "./greedy.ts";
import {
  generationDefaults,
  refuseUnsupported,
  warningsAbout,
  type ModelOptions,
} from "./modelOptions.ts";
import type { GenerationOptions } from "./options.ts";
import { planGeneration, rowsPerItem, warningsOf, type GenerationPlan } from "./plan.ts";
import { seededUniforms } from "./sampling.ts";
import type { GenerationTask, OpenSession } from "./session.ts";
import { warnOnce } from "./warnings.ts";

/** What `generate` returns with returnDictInGenerate. */
export interface GenerationResult {
  /** [batch x numReturnSequences] token ids of equal length, start token first. */
  readonly sequences: number[][];
  /** [batch x numReturnSequences] with beams: sum of log-probabilities / (generated length) ** lengthPenalty. */
  readonly sequencesScores?: number[];
}

/**
 * Generates sequences for a batch.
 * @param open called once, after the options were checked
 * @param model options of the model's generation_config.json
 * @throws {ArgumentError} for an option out of its range
 * @throws {ConfigError} for one in the model's file, or a key there that asks for what is not supported
 * @throws the reason of `options.signal` when that is aborted; the session is closed first
 */
export async function runGeneration(
  open: OpenSession,
  task: GenerationTask,
  options: GenerationOptions = {},
  model: ModelOptions = { source: "generation_config.json", raw: {} },
): Promise<GenerationResult> {
  const plan = planFor(options, model);
  plan.signal?.throwIfAborted();
  const uniforms = seededUniforms(plan.seed);
  const session = await open({ items: task.batchSize, rowsPerItem: rowsPerItem(plan) });
  try {
    if (plan.numBeams === 1)
      return { sequences: await greedySearch(session, task, plan, uniforms) };
    const { sequences, scores } = await beamSearch(session, task, plan, uniforms);
    return { sequences, sequencesScores: scores };
  } finally {
    session.close();
  }
}

/** The plan of a call, checked, with the warnings that it deserves. @throws as `runGeneration` */
export function planFor(options: GenerationOptions, model: ModelOptions): GenerationPlan {
  const plan = planGeneration(options, generationDefaults(model), model.source);
  refuseUnsupported(model, plan);
  warnOnce(model, [...warningsAbout(model, options), ...warningsOf(plan)]);
  return plan;
}
