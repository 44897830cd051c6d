// One row per sequence: greedy search and sampling.

import type { GenerationPlan } from "./options.ts";
import { rowsPerItem } from "./options.ts";
import type { ScoreProcessor } from "./processors.ts";
import { processorsFor } from "./processors.ts";
import { drawToken, type Uniforms } from "./sampling.ts";
import { argmax } from "./scores.ts";
import { betweenTokens, type DecoderSession, type GenerationTask } from "./session.ts";

/** Takes the next token from one row of scores; `step` counts from 0. */
type Chooser = (scores: Float32Array, row: number, step: number) => number;

/**
 * Continues every row with its likeliest token, or with one drawn at random, until all rows have ended
 * or have `maxLength` tokens. Rows that ended are filled with the pad token.
 * @returns [rows] sequences of equal length, start token first
 */
export async function greedySearch(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): Promise<number[][]> {
  const rows = task.batchSize * rowsPerItem(plan);
  const sequences = Array.from({ length: rows }, () => [task.startTokenId]);
  const ended = new Array<boolean>(rows).fill(false);
  const choose = nextTokens(session, task, plan, uniforms);
  let tokens: number[] = new Array<number>(rows).fill(task.startTokenId);
  for (let length = 1; length < plan.maxLength && ended.includes(false); length++) {
    await betweenTokens(plan.signal);
    const chosen = await choose(tokens, sequences, ended);
    tokens = chosen.map((token, row) => (ended[row] ? task.padTokenId : token));
    for (const [row, token] of tokens.entries()) {
      sequences[row]!.push(token);
      ended[row] ||= task.eosTokenIds.includes(token);
    }
    await plan.streamer?.put([...tokens]);
  }
  await plan.streamer?.end();
  return sequences;
}

/** How this plan goes from the last token of every row to the next; entries of ended rows mean nothing. */
function nextTokens(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): (tokens: number[], sequences: number[][], ended: boolean[]) => Promise<number[]> {
  const processors = processorsFor(plan, task.eosTokenIds);
  // Nothing looks at the logits but the argmax: they may stay on the device.
  if (!plan.doSample && processors.length === 0) {
    return async (tokens) => [...(await session.stepGreedy(tokens))];
  }
  const chooser: Chooser = plan.doSample
    ? (scores, row, step) => drawToken(scores, uniforms(row, step, 0))
    : argmax;
  return async (tokens, sequences, ended) => {
    const scores = await session.step(tokens);
    return sequences.map((ids, row) => {
      if (ended[row]) return task.padTokenId;
      const rowScores = scores.subarray(row * session.vocabSize, (row + 1) * session.vocabSize);
      process(rowScores, ids, processors);
      return chooser(rowScores, row, ids.length - 1);
    });
  };
}

function process(
  scores: Float32Array,
  ids: readonly number[],
  processors: readonly ScoreProcessor[],
): void {
  for (const processor of processors) processor(scores, ids);
}
