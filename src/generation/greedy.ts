// One row per sequence: greedy search and sampling.

import { timeLimit } from "./clock.ts";
import type { GenerationPlan } from "./plan.ts";
import { rowsPerItem } from "./plan.ts";
import { processorsFor } from "./processors.ts";
import type { ScoreProcessor } from "./scoreProcessor.ts";
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
  const isLate = timeLimit(plan.maxTime);
  let over = false;
  let tokens: number[] = new Array<number>(rows).fill(task.startTokenId);
  await plan.streamer?.prompt?.([...tokens]);
  for (let length = 1; length < plan.maxLength && !over;) {
    await betweenTokens(plan.signal);
    for (const chosen of await choose(tokens, {
      sequences,
      ended,
      left: plan.maxLength - length,
    })) {
      if (over) break; // chosen ahead, past the end of every row
      plan.signal?.throwIfAborted();
      tokens = Array.from(chosen, (token, row) => (ended[row] ? task.padTokenId : token));
      for (const [row, token] of tokens.entries()) {
        sequences[row]!.push(token);
        ended[row] ||= task.eosTokenIds.includes(token);
      }
      length++;
      over = !ended.includes(false) || isLate();
      await plan.streamer?.put([...tokens]);
    }
  }
  await plan.streamer?.end();
  return sequences;
}

interface Progress {
  readonly sequences: readonly (readonly number[])[];
  readonly ended: readonly boolean[];
  /** Tokens that may still be chosen. */
  readonly left: number;
}

/** From the last token of every row to the next, or the next few. Entries of ended rows mean nothing. */
type Choose = (tokens: number[], progress: Progress) => Promise<readonly ArrayLike<number>[]>;

function nextTokens(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): Choose {
  const { all: processors, readAll } = processorsFor(plan, task, session.vocabSize);
  const perItem = rowsPerItem(plan);
  // Nothing looks at the logits but the argmax: they may stay on the device.
  if (!plan.doSample && processors.length === 0) {
    return (tokens, { left }) => session.greedy(tokens, Math.min(session.lookahead, left));
  }
  const chooser: Chooser = plan.doSample
    ? (scores, row, step) => drawToken(scores, uniforms(row, step, 0))
    : argmax;
  return async (tokens, { sequences, ended }) => {
    session.feed(tokens);
    const scores = await neededScores(session, plan, readAll);
    const chosen = sequences.map((ids, row) => {
      if (ended[row]) return task.padTokenId;
      const rowScores = scores.subarray(row * session.vocabSize, (row + 1) * session.vocabSize);
      process(rowScores, ids, Math.floor(row / perItem), processors);
      return chooser(rowScores, row, ids.length - 1);
    });
    return [chosen];
  };
}

/**
 * Logits [rows, V] for the processors of `plan`. Where all they keep is the k best, the others need not leave the
 * device and are -Infinity, as keepTopK would make them.
 */
async function neededScores(
  session: DecoderSession,
  plan: GenerationPlan,
  readAll: boolean,
): Promise<Float32Array> {
  const { vocabSize } = session;
  if (!plan.doSample || readAll || plan.topK === 0 || plan.topK >= vocabSize) {
    return session.logits();
  }
  const count = plan.topK + 1;
  const { values, indices } = await session.top(count, "logits");
  const scores = new Float32Array((values.length / count) * vocabSize).fill(-Infinity);
  for (let at = 0; at < values.length; at++) {
    // What ties with the last of the k best stays too, and there may be more of it than came.
    const isNext = at % count === plan.topK;
    if (isNext && values[at] === values[at - 1]) return session.logits();
    scores[Math.floor(at / count) * vocabSize + indices[at]!] = values[at]!;
  }
  return scores;
}

function process(
  scores: Float32Array,
  ids: readonly number[],
  item: number,
  processors: readonly ScoreProcessor[],
): void {
  for (const processor of processors) processor(scores, ids, item);
}
