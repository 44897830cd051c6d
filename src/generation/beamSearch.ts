// Beam search and beam sampling as transformers does them since 4.50 (the vectorised rewrite, pull request
// 35802, with the per-item stop of 38778). Arithmetic is f32 as there. A score that must not win gets -1e9
// added instead of being removed, so an item whose beams are few can still be filled.

import { timeLimit } from "./clock.ts";
import type { FinishedItem, RunningBatch } from "./continuous.ts";
import type { GenerationPlan } from "./plan.ts";
import { processorsFor } from "./processors.ts";
import { drawDistinct, type Uniforms } from "./sampling.ts";
import type { ScoreProcessor } from "./scoreProcessor.ts";
import { checkFinite, logSoftmax, nothingLeft, topIndices } from "./scores.ts";
import { betweenTokens, type DecoderSession, type GenerationTask } from "./session.ts";

const REJECTED = -1e9;
const f32 = Math.fround;

/** The best sequences of every item, best first, with their length-penalised log-probabilities. */
export interface BeamSearchResult {
  /** [batch x numReturnSequences] of equal length, start token first. */
  readonly sequences: number[][];
  /** [batch x numReturnSequences] */
  readonly scores: number[];
}

/**
 * Beam search over all items of a batch at once, each with numBeams rows of the session.
 * @throws {GradloomError} when logits are not finite
 */
export async function beamSearch(
  session: DecoderSession,
  task: GenerationTask,
  plan: GenerationPlan,
  uniforms: Uniforms,
): Promise<BeamSearchResult> {
  const batch = new BeamBatch(session, task, plan, uniforms);
  batch.admit(Array.from({ length: task.batchSize }, (_, item) => item));
  const items = batch.searches;
  for (;;) {
    await betweenTokens(plan.signal);
    await batch.advance();
    if (isOver(items, plan)) return collect(items, task, plan);
    batch.keep(items);
  }
}

/** Items that come and go, each with its beams. */
export class BeamBatch implements RunningBatch {
  searches: readonly ItemSearch[] = [];
  readonly #session: DecoderSession;
  readonly #task: GenerationTask;
  readonly #plan: GenerationPlan;
  readonly #choose: () => Promise<Continuation[][]>;

  constructor(
    session: DecoderSession,
    task: GenerationTask,
    plan: GenerationPlan,
    uniforms: Uniforms,
  ) {
    this.#session = session;
    this.#task = task;
    this.#plan = plan;
    const { all: processors } = processorsFor(plan, task, session.vocabSize);
    // Nothing looks at the scores but the choice of the best: the others may stay on the device.
    this.#choose =
      plan.doSample || processors.length > 0
        ? () => chooseFromAll(session, this.searches, processors, plan.doSample ? uniforms : null)
        : () => chooseFromBest(session, this.searches);
  }

  get items(): Iterable<number> {
    return this.searches.map(({ item }) => item);
  }

  admit(items: readonly number[], next: readonly number[] = []): void {
    this.#session.admit(items, next);
    const added = items.map((item) => new ItemSearch(item, this.#task, this.#plan));
    this.searches = [...this.searches, ...added];
  }

  async step(): Promise<readonly FinishedItem[]> {
    await this.advance();
    const over = this.searches.filter((search) => isOver([search], this.#plan));
    this.keep(this.searches.filter((search) => !over.includes(search)));
    return over.map(({ item, pool }) => {
      const found = pool.slice(0, this.#plan.numReturnSequences);
      return {
        item,
        sequences: found.map(({ ids }) => [...ids]),
        scores: found.map(({ score }) => score),
      };
    });
  }

  /** One more token for every beam. */
  async advance(): Promise<void> {
    this.#session.feed(this.searches.flatMap((search) => search.lastTokens()));
    const candidates = await this.#choose();
    for (const [i, search] of this.searches.entries()) search.advance(candidates[i]!);
  }

  /** The beams of `searches` go on, in their new order; the others leave. */
  keep(searches: readonly ItemSearch[]): void {
    const { numBeams } = this.#plan;
    const kept = new Set(searches);
    this.#session.keep(
      this.searches.flatMap((search, i) =>
        kept.has(search) ? search.origins.map((beam) => i * numBeams + beam) : [],
      ),
    );
    this.searches = searches;
  }
}

/** A beam continued by a token. */
interface Continuation {
  readonly beam: number;
  readonly token: number;
  /** Sum of the log-probabilities. */
  readonly score: number;
}

/**
 * Candidates of every item from the scores of all tokens.
 * @param uniforms to draw them at random; null to take the best
 */
async function chooseFromAll(
  session: DecoderSession,
  items: readonly ItemSearch[],
  processors: readonly ScoreProcessor[],
  uniforms: Uniforms | null,
): Promise<Continuation[][]> {
  const { vocabSize } = session;
  const scores = await session.logits();
  const itemSize = scores.length / items.length;
  return items.map((item, i) => {
    const itemScores = scores.subarray(i * itemSize, (i + 1) * itemSize);
    item.accumulate(itemScores, processors);
    const chosen =
      uniforms === null
        ? topIndices(itemScores, item.candidateCount)
        : drawDistinct(itemScores, item.candidateCount, (index) =>
            uniforms(item.item, item.steps, index),
          );
    return chosen.map((index) => ({
      beam: Math.floor(index / vocabSize),
      token: index % vocabSize,
      score: itemScores[index]!,
    }));
  });
}

/**
 * The same from the best tokens of every beam, among which the best of an item are. Only where sums tie with a token
 * whose own score was too low to come along may the choice be another one.
 */
async function chooseFromBest(
  session: DecoderSession,
  items: readonly ItemSearch[],
): Promise<Continuation[][]> {
  const k = Math.min(items[0]!.candidateCount, session.vocabSize);
  const { values, indices } = await session.top(k, "logProbabilities");
  const perItem = values.length / items.length;
  return items.map((item, i) => {
    const beams = item.scores();
    const all = beams.flatMap((before, beam): Continuation[] => {
      const begin = i * perItem + beam * k;
      checkFinite(values[begin]!);
      return Array.from(values.subarray(begin, begin + k), (score, j) => ({
        beam,
        token: indices[begin + j]!,
        score: f32(score + before),
      }));
    });
    // Of equal scores the first beam's first token comes first, as among all of them.
    all.sort((a, b) => b.score - a.score || a.beam - b.beam || a.token - b.token);
    return all.slice(0, item.candidateCount);
  });
}

/** A sequence that may still grow. */
interface Beam {
  readonly ids: readonly number[];
  /** Sum of the log-probabilities. */
  readonly score: number;
}

/** A running beam with one more token. */
interface Candidate extends Beam {
  /** The beam that it continues. */
  readonly origin: number;
  /** Whether it ended or is as long as it may be. */
  readonly complete: boolean;
}

/** A place among the best complete sequences; held by a filler until one is found. */
interface PoolEntry extends Beam {
  readonly complete: boolean;
}

/** The search for one item of the batch. */
class ItemSearch {
  /** Candidates looked at per step: enough that numBeams of them go on when all others end. */
  readonly candidateCount: number;
  /** [numBeams] The beam that each running beam continues, for reordering caches. */
  origins: readonly number[] = [];
  /** Complete sequences with length-penalised scores, best first. */
  pool: readonly PoolEntry[];
  /** Whether a running beam could still beat the pool; once false it stays so. */
  improvable = true;
  /** Whether no candidate of the last step can go on. */
  exhausted = false;
  /** Index among the inputs. */
  readonly item: number;
  /** Tokens of every beam so far. */
  steps = 0;
  readonly #isLate: () => boolean;
  readonly #task: GenerationTask;
  readonly #plan: GenerationPlan;
  #running: readonly Beam[];

  constructor(item: number, task: GenerationTask, plan: GenerationPlan) {
    this.item = item;
    this.#isLate = timeLimit(plan.maxTime);
    this.#task = task;
    this.#plan = plan;
    this.candidateCount = Math.max(2, 1 + task.eosTokenIds.length) * plan.numBeams;
    const ids = [task.startTokenId];
    // All beams start equal: only the first may be continued, or all would stay equal.
    this.#running = Array.from({ length: plan.numBeams }, (_, beam) => ({
      ids,
      score: beam === 0 ? 0 : REJECTED,
    }));
    this.pool = this.#running.map(() => ({ ids, score: REJECTED, complete: false }));
  }

  get full(): boolean {
    return this.pool.every((entry) => entry.complete);
  }

  lastTokens(): number[] {
    return this.#running.map((beam) => beam.ids.at(-1)!);
  }

  /** [numBeams] Sums of the running beams' log-probabilities. */
  scores(): number[] {
    return this.#running.map((beam) => beam.score);
  }

  /** Turns logits [numBeams, V] in place into scores of each beam continued by each token. */
  accumulate(scores: Float32Array, processors: readonly ScoreProcessor[]): void {
    const vocabSize = scores.length / this.#running.length;
    for (const [beam, { ids, score }] of this.#running.entries()) {
      const row = scores.subarray(beam * vocabSize, (beam + 1) * vocabSize);
      if (this.#plan.removeInvalidValues && !row.every(isUsable)) row.fill(NaN);
      else logSoftmax(row);
      for (const processor of processors) processor(row, ids, this.item);
      for (let token = 0; token < vocabSize; token++) row[token]! += score;
    }
  }

  /**
   * Moves on by one token.
   * @param chosen best (or drawn) first
   * @throws {ArgumentError} when every token is banned before a sequence has ended
   */
  advance(chosen: readonly Continuation[]): void {
    this.steps++;
    const late = this.#isLate();
    const isStuck = chosen.every((continuation) => continuation.score === -Infinity);
    if (isStuck && !this.pool.some((entry) => entry.complete)) throw nothingLeft();
    const candidates = chosen.map((continuation) => this.#continueBeam(continuation, late));
    this.exhausted = candidates.every((candidate) => candidate.complete);
    this.pool = this.#mergeIntoPool(candidates);
    const next = best(
      candidates.map((candidate) =>
        candidate.complete ? { ...candidate, score: f32(candidate.score + REJECTED) } : candidate,
      ),
      this.#plan.numBeams,
    );
    this.#running = next;
    this.origins = next.map((beam) => beam.origin);
    this.improvable &&= this.#canImprove();
  }

  #continueBeam({ beam: origin, token, score }: Continuation, late: boolean): Candidate {
    const ids = [...this.#running[origin]!.ids, token];
    const complete =
      late || this.#task.eosTokenIds.includes(token) || ids.length >= this.#plan.maxLength;
    return { ids, score, origin, complete };
  }

  #mergeIntoPool(candidates: readonly Candidate[]): readonly PoolEntry[] {
    const closed = this.#plan.earlyStopping === true && this.full;
    const entries = candidates.map(({ ids, score, complete }, rank) => {
      // Candidates beyond the first numBeams exist only to go on.
      const admitted = complete && rank < this.#plan.numBeams;
      let final = this.#penalized(score, ids.length - 1);
      if (closed) final = f32(final + REJECTED);
      if (!this.improvable) final = f32(final + REJECTED);
      if (!admitted) final = f32(final + REJECTED);
      return { ids, score: final, complete: admitted };
    });
    return best([...this.pool, ...entries], this.#plan.numBeams);
  }

  #canImprove(): boolean {
    const leader = this.#running[0]!;
    // A longer sequence divides its score by more: "never" grants the leader the greatest length.
    const length =
      this.#plan.earlyStopping === "never" && this.#plan.lengthPenalty > 0
        ? this.#plan.maxLength
        : leader.ids.length;
    const hoped = this.#penalized(leader.score, length - 1);
    const lowest = this.pool.at(-1)!.score;
    return this.pool.some((entry) => hoped > (entry.complete ? lowest : REJECTED));
  }

  #penalized(score: number, generatedLength: number): number {
    return f32(score / f32(generatedLength ** this.#plan.lengthPenalty));
  }
}

/** Whether log-softmax can take the logit; of one that it cannot, PyTorch makes the row NaN. */
function isUsable(logit: number): boolean {
  return logit < Infinity;
}

function isOver(items: readonly ItemSearch[], plan: GenerationPlan): boolean {
  if (items.every((item) => !item.improvable)) return true;
  if (plan.earlyStopping === true && items.every((item) => item.full)) return true;
  return items.every((item) => item.exhausted);
}

/** The `count` beams of highest score, best first, the first of equal ones first. */
function best<T extends Beam>(beams: readonly T[], count: number): T[] {
  const scores = beams.map((beam) => beam.score);
  return topIndices(scores, count).map((index) => beams[index]!);
}

function collect(
  items: readonly ItemSearch[],
  task: GenerationTask,
  plan: GenerationPlan,
): BeamSearchResult {
  const found = items.flatMap((item) => item.pool.slice(0, plan.numReturnSequences));
  const longest = Math.max(...found.map((entry) => entry.ids.length));
  // transformers fills with `pad or eos`, and the pad token of T5 is 0: Python takes the end token.
  const filler = task.padTokenId || (task.eosTokenIds[0] ?? task.padTokenId);
  const fill = (ids: readonly number[]): number[] => [
    ...ids,
    ...new Array<number>(longest - ids.length).fill(filler),
  ];
  return {
    sequences: found.map((entry) => fill(entry.ids)),
    scores: found.map((entry) => entry.score),
  };
}
