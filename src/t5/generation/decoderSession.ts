// Decoding one token at a time with cached keys and values, for rows that come and go. The encoder runs once for each
// input; its keys and values are shared by the rows that continue it.

import { noGrad } from "../../autograd/tape.ts";
import { concatForward } from "../../kernels/moves/concat.ts";
import { argmaxForward, topkForward } from "../../kernels/rows/argmax.ts";
import { logSoftmaxForward } from "../../kernels/rows/softmax.ts";
import { invariant } from "../../tensor/errors.ts";
import { scope, Scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { DecoderSession, SessionSize, TopScores } from "../../generation/session.ts";
import type { Context } from "../layers.ts";
import type { T5Network } from "../network.ts";
import { DecoderRows } from "./decoderRows.ts";
import { decoderStep, distanceBiases, type StepInputs } from "./decoderStep.ts";
import type { EncoderRow } from "./encoderRows.ts";
import { HeadCaches } from "./headCaches.ts";
import { RepeatedStep, type StepValue } from "./repeatedStep.ts";
import { RowEncoder } from "./rowEncoder.ts";

/**
 * Tokens that greedy search on a GPU takes between two looks at them. A look costs a round trip of about a
 * millisecond (in browsers several); tokens past the end of all rows are lost work.
 */
const GPU_LOOKAHEAD = 8;
/** Positions that a new cache of self-attention holds; it doubles when full. */
const FIRST_CAPACITY = 32;
/** The encoder's keys are cached in multiples of this. */
const CROSS_UNIT = 64;
/** The cache of the encoder's keys is made smaller when all rows need less than this share of it. */
const CROSS_SHARE = 1 / 4;

type StepTensor = "ids" | "places" | "crossPlaces" | "origins";
/** In place of origins: an input that nothing reads. */
const NONE: StepValue = { values: new Int32Array(1), shape: [1] };
/** What a step makes of its logits. */
const RESULTS = { logits: (logits: Tensor): Tensor => logits, ids: argmaxForward };

/** Opens a session of `size` on inputs that `encoderRow` made. */
export function openSession(
  network: T5Network,
  inputs: readonly EncoderRow[],
  size: SessionSize,
): DecoderSession {
  return new CachedSession(network, inputs, size);
}

class CachedSession implements DecoderSession {
  readonly vocabSize: number;
  readonly lookahead: number;
  readonly #network: T5Network;
  readonly #inputs: readonly EncoderRow[];
  /** Generation runs without dropout and in f32, whatever the model does in training. */
  readonly #context: Context;
  /** Owns everything that lives from step to step. */
  readonly #memory = new Scope();
  readonly #encoder: RowEncoder;
  readonly #rows: DecoderRows;
  /**
   * Rows of every step on a GPU, where steps of one shape are prepared once and cost the same with some rows idle; null
   * where each row costs time. Idle rows use the first slot, which no other has.
   */
  readonly #fixedRows: number | null;
  readonly #self: HeadCaches;
  readonly #cross: HeadCaches;
  #biases: readonly Tensor[] = [];
  readonly #step: RepeatedStep<StepTensor>;
  /** Several steps at once, for a GPU. */
  readonly #steps: RepeatedStep<string>;
  /** [rows, V], of the tokens fed last; the step's. */
  #logits: Tensor | null = null;

  constructor(network: T5Network, inputs: readonly EncoderRow[], size: SessionSize) {
    const { config, device, weights } = network;
    const isGpu = device.kind === "webgpu";
    const sizes = {
      blocks: weights.decoder.blocks.length,
      heads: config.numHeads,
      headDim: config.dKv,
    };
    this.vocabSize = config.vocabSize;
    this.lookahead = isGpu ? GPU_LOOKAHEAD : 1;
    this.#network = network;
    this.#inputs = inputs;
    this.#context = { config, random: null, autocast: null, keepAs: null };
    this.#fixedRows = isGpu ? size.items * size.rowsPerItem : null;
    this.#encoder = new RowEncoder(network, this.#context, inputs, this.#memory);
    this.#rows = new DecoderRows(size.rowsPerItem, isGpu ? 1 : 0);
    this.#self = new HeadCaches(this.#memory, device, sizes);
    this.#cross = new HeadCaches(this.#memory, device, sizes);
    this.#step = new RepeatedStep(device, this.#memory);
    this.#steps = new RepeatedStep(device, this.#memory);
  }

  admit(items: readonly number[], next: readonly number[] = []): void {
    const admitted = items.map((item) => ({ item, slot: this.#rows.admit(this.#inputs[item]!) }));
    this.#fitCrossCaches();
    this.#encoder.admit(admitted, next, this.#cross);
  }

  keep(rows: readonly number[]): void {
    if (rows.length === this.#rows.count && rows.every((row, i) => row === i)) return;
    this.#rows.keep(rows);
  }

  feed(tokens: ArrayLike<number>): void {
    this.#logits = this.#next(tokens, "logits");
  }

  async logits(): Promise<Float32Array> {
    const all = (await this.#fed().data()) as Float32Array;
    return all.subarray(0, this.#rows.count * this.vocabSize);
  }

  async top(k: number, scores: "logits" | "logProbabilities"): Promise<TopScores> {
    const logits = this.#fed();
    const best = this.#memory.run(() =>
      scope(() => topkForward(scores === "logits" ? logits : logSoftmaxForward(logits), k)),
    );
    const [values, indices] = await Promise.all([best.values.data(), best.indices.data()]);
    best.values.dispose();
    best.indices.dispose();
    const count = this.#rows.count * k;
    return {
      values: (values as Float32Array).subarray(0, count),
      indices: (indices as Int32Array).subarray(0, count),
    };
  }

  async greedy(tokens: ArrayLike<number>, count: number): Promise<Int32Array[]> {
    const rows = this.#rows.count;
    if (count === 1) {
      const ids = (await this.#next(tokens, "ids").data()) as Int32Array;
      return [ids.subarray(0, rows)];
    }
    const ids = (await this.#nextIds(tokens, count).data()) as Int32Array;
    const width = ids.length / count;
    return Array.from({ length: count }, (_, i) => ids.subarray(i * width, i * width + rows));
  }

  close(): void {
    this.#step.forget();
    this.#steps.forget();
    this.#memory.dispose();
  }

  /** Rows that a step computes: those there are, and idle ones. */
  get #stepRows(): number {
    return Math.max(this.#rows.count, this.#fixedRows ?? 0);
  }

  #fed(): Tensor {
    invariant(this.#logits, () => "session: feed() comes first");
    return this.#logits;
  }

  /** Runs the decoder on one new token per row: logits [rows, V] of what follows, or the likeliest ids [rows]. */
  #next(tokens: ArrayLike<number>, result: keyof typeof RESULTS): Tensor {
    this.#fitSelfCaches();
    const rows = this.#stepRows;
    const [places, crossPlaces] = [this.#rows.places(), this.#rows.crossPlaces()];
    const origins = this.#origins();
    const key = [result, rows, origins !== null, this.#self.blocks, this.#cross.blocks];
    const values: Record<StepTensor, StepValue> = {
      ids: this.#padded(tokens),
      places: this.#paddedPlaces(places),
      crossPlaces: this.#paddedPlaces(crossPlaces),
      origins: origins ?? NONE,
    };
    const keys = { keys: keysOf(places), crossKeys: keysOf(crossPlaces) };
    const next = this.#step.run(key, values, (inputs) =>
      this.#compute(
        { ...inputs, origins: origins ? inputs.origins : undefined, ...keys },
        RESULTS[result],
      ),
    );
    this.#rows.advance();
    return next;
  }

  /** `count` steps of which each takes the likeliest ids of the one before, for a GPU: [count * rows] ids. */
  #nextIds(tokens: ArrayLike<number>, count: number): Tensor {
    this.#fitSelfCaches(count);
    const rows = this.#stepRows;
    const isBranched = this.#rows.areBranched;
    const crossPlaces = this.#rows.crossPlaces();
    const values: Record<string, StepValue> = {
      ids: this.#padded(tokens),
      crossPlaces: this.#paddedPlaces(crossPlaces),
    };
    const keys: number[] = [];
    for (let i = 0; i < count; i++) {
      const places = this.#rows.places();
      keys.push(keysOf(places));
      values[`places${i}`] = this.#paddedPlaces(places);
      values[`origins${i}`] = this.#origins() ?? NONE;
      this.#rows.advance();
    }
    const key = [count, rows, isBranched, this.#self.blocks, this.#cross.blocks];
    const all = (inputs: Readonly<Record<string, Tensor>>): Tensor => {
      const chosen: Tensor[] = [];
      for (let i = 0; i < count; i++) {
        const step = {
          ids: chosen.at(-1) ?? inputs["ids"]!,
          places: inputs[`places${i}`]!,
          origins: isBranched ? inputs[`origins${i}`] : undefined,
          crossPlaces: inputs["crossPlaces"]!,
          keys: keys[i]!,
          crossKeys: keysOf(crossPlaces),
        };
        chosen.push(this.#compute(step, argmaxForward));
      }
      return concatForward(chosen, 0);
    };
    return this.#steps.run(key, values, (inputs) => scope(() => all(inputs)));
  }

  #compute(inputs: StepInputs, fn: (logits: Tensor) => Tensor): Tensor {
    const caches = { self: this.#self, cross: this.#cross, biases: this.#biases };
    return scope(() => noGrad(() => fn(decoderStep(this.#network, this.#context, caches, inputs))));
  }

  /** [rows]; idle rows have token 0. */
  #padded(tokens: ArrayLike<number>): StepValue {
    const values = new Int32Array(this.#stepRows);
    values.set(tokens);
    return { values, shape: [values.length] };
  }

  /** [rows, 2]; idle rows have the first slot and one key. */
  #paddedPlaces(places: readonly number[]): StepValue {
    const values = new Int32Array(2 * this.#stepRows);
    values.set(places);
    return { values, shape: [this.#stepRows, 2] };
  }

  /** [rows, capacity], where rows share their past. */
  #origins(): StepValue | null {
    if (!this.#rows.areBranched) return null;
    const { capacity } = this.#self;
    const values = new Int32Array(this.#stepRows * capacity);
    this.#rows.writeOrigins(values, capacity);
    return { values, shape: [this.#stepRows, capacity] };
  }

  /** Makes room for `steps` more positions. */
  #fitSelfCaches(steps = 1): void {
    const { count } = this.#rows.slots;
    const isFull = this.#rows.longest + steps > this.#self.capacity;
    const capacity = isFull
      ? Math.max(FIRST_CAPACITY, 2 * this.#self.capacity)
      : this.#self.capacity;
    const slots = Math.max(count, this.#self.slots);
    if (slots === this.#self.slots && !isFull) return;
    this.#self.resize(slots, capacity);
    if (!isFull) return;
    for (const bias of new Set(this.#biases)) bias.dispose();
    this.#biases = this.#memory.run(() => noGrad(() => distanceBiases(this.#network, capacity)));
  }

  #fitCrossCaches(): void {
    const needed = Math.ceil(this.#rows.mostCrossKeys / CROSS_UNIT) * CROSS_UNIT;
    const { capacity } = this.#cross;
    const fits = needed <= capacity && needed >= capacity * CROSS_SHARE;
    const slots = Math.max(this.#rows.crossSlots.count, this.#cross.slots);
    if (fits && slots === this.#cross.slots) return;
    this.#cross.resize(slots, fits ? capacity : needed);
  }
}

/** Keys of all rows, by their last positions. */
function keysOf(places: readonly number[]): number {
  return places.reduce((sum, each, i) => (i % 2 === 1 ? sum + each + 1 : sum), 0);
}
