// Decoding one token at a time with cached keys and values. The encoder runs once; cross-attention's
// keys and values are computed once and shared by the beams of an item; self-attention's grow.

import { embedding } from "../autograd/ops/embedding.ts";
import { add } from "../autograd/ops/pointwise.ts";
import { relativePositionBias } from "../autograd/ops/relativePositionBias.ts";
import { noGrad } from "../autograd/tape.ts";
import { argmaxForward, topkForward } from "../kernels/rows/argmax.ts";
import { concatForward } from "../kernels/moves/concat.ts";
import { decodeAttentionForward } from "../kernels/attention/decode.ts";
import { copyInto, gatherRowsForward } from "../kernels/moves/gatherRows.ts";
import { logSoftmaxForward } from "../kernels/rows/softmax.ts";
import { reshape } from "../autograd/ops/shape.ts";
import { invariant } from "../tensor/errors.ts";
import { scope, Scope } from "../tensor/scope.ts";
import { empty, tensor, type Tensor } from "../tensor/tensor.ts";
import type { DecoderSession, TopScores } from "../generation/session.ts";
import { maskTensor, tokenTensor } from "./inputs.ts";
import { asFloat, feedForward, linear, norm, projectKeysValues, type Context } from "./layers.ts";
import type { KeysValues } from "./layers.ts";
import type { T5Network } from "./network.ts";
import type { AttentionWeights, BlockWeights } from "./weights.ts";

/**
 * Tokens that greedy search on a GPU takes between two looks at them. A look costs a round trip of about a
 * millisecond (in browsers several); tokens past the end of all rows are lost work.
 */
const GPU_LOOKAHEAD = 8;
/** Positions that a new cache holds; it doubles when full. */
const FIRST_CAPACITY = 32;

export interface SessionInputs {
  readonly inputIds: number[][];
  readonly attentionMask?: number[][];
}

/**
 * Encodes a batch and opens a session with `rowsPerItem` rows (beams) for each of its items.
 * @throws {ArgumentError} for ids outside the vocabulary
 */
export function openSession(
  network: T5Network,
  inputs: SessionInputs,
  rowsPerItem: number,
): DecoderSession {
  const { config, device } = network;
  const memory = new Scope();
  try {
    return memory.run(() =>
      noGrad(() => {
        const ids = tokenTensor("inputIds", inputs.inputIds, config.vocabSize, device);
        const given = inputs.attentionMask ?? impliedMask(inputs.inputIds, config);
        const mask = maskTensor(given, ids.shape, device);
        const cross = scope(() => {
          const context = plainContext(network);
          const encoded = network.encode(ids, mask, false, context).output;
          return network.weights.decoder.blocks.map((block) =>
            projectKeysValues(context, block.crossAttention!, encoded),
          );
        });
        return new CachedSession(network, memory, cross, mask, ids.shape[0]! * rowsPerItem);
      }),
    );
  } catch (error) {
    memory.dispose();
    throw error;
  }
}

/** Generation runs without dropout and in f32, whatever the model does in training. */
function plainContext({ config }: T5Network): Context {
  return { config, random: null, autocast: null };
}

/** transformers hides pads when no mask is given and some id is the pad (docs/guide/hugging-face-semantics.md 4.1). */
function impliedMask(
  rows: number[][],
  { padTokenId, eosTokenIds }: T5Network["config"],
): number[][] | undefined {
  if (eosTokenIds.includes(padTokenId)) return undefined;
  if (!rows.some((row) => row.includes(padTokenId))) return undefined;
  return rows.map((row) => row.map((id) => (id === padTokenId ? 0 : 1)));
}

class CachedSession implements DecoderSession {
  readonly vocabSize: number;
  readonly lookahead: number;
  readonly #network: T5Network;
  readonly #context: Context;
  /** Owns everything that lives from step to step. */
  readonly #memory: Scope;
  readonly #cross: readonly KeysValues[];
  readonly #mask: Tensor | undefined;
  readonly #rows: number;
  /** Self-attention caches of every block, [rows, capacity, H*D]; positions 0..length-1 are filled. */
  #self: KeysValues[] = [];
  #capacity = 0;
  #length = 0;
  /** [rows, V], of the tokens fed last. */
  #logits: Tensor | null = null;

  constructor(
    network: T5Network,
    memory: Scope,
    cross: readonly KeysValues[],
    mask: Tensor | undefined,
    rows: number,
  ) {
    this.vocabSize = network.config.vocabSize;
    this.lookahead = network.device.kind === "webgpu" ? GPU_LOOKAHEAD : 1;
    this.#network = network;
    this.#context = plainContext(network);
    this.#memory = memory;
    this.#cross = cross;
    this.#mask = mask;
    this.#rows = rows;
  }

  feed(tokens: ArrayLike<number>): void {
    this.#logits?.dispose();
    const ids = this.#memory.run(() => this.#tokenTensor(tokens));
    this.#logits = this.#memory.run(() => this.#advance(ids, (logits) => logits));
    ids.dispose();
  }

  async logits(): Promise<Float32Array> {
    return (await this.#fed().data()) as Float32Array;
  }

  async top(k: number, scores: "logits" | "logProbabilities"): Promise<TopScores> {
    const logits = this.#fed();
    const best = this.#memory.run(() =>
      scope(() => topkForward(scores === "logits" ? logits : logSoftmaxForward(logits), k)),
    );
    const [values, indices] = await Promise.all([best.values.data(), best.indices.data()]);
    best.values.dispose();
    best.indices.dispose();
    return { values: values as Float32Array, indices: indices as Int32Array };
  }

  async greedy(tokens: ArrayLike<number>, count: number): Promise<Int32Array[]> {
    const chosen = this.#memory.run(() =>
      scope(() => {
        const steps = [];
        let ids = this.#tokenTensor(tokens);
        for (let i = 0; i < count; i++) steps.push((ids = this.#advance(ids, argmaxForward)));
        return concatForward(steps, 0);
      }),
    );
    const ids = (await chosen.data()) as Int32Array;
    chosen.dispose();
    const rows = this.#rows;
    return Array.from({ length: count }, (_, i) => ids.subarray(i * rows, (i + 1) * rows));
  }

  reorder(rows: readonly number[]): void {
    if (rows.every((row, i) => row === i)) return;
    const { device } = this.#network;
    this.#replaceCaches((cache) =>
      scope(() =>
        gatherRowsForward(cache, tensor(Int32Array.from(rows), [rows.length], { device })),
      ),
    );
  }

  close(): void {
    this.#memory.dispose();
  }

  #tokenTensor(tokens: ArrayLike<number>): Tensor {
    return tensor(Int32Array.from(tokens), [this.#rows], { device: this.#network.device });
  }

  #fed(): Tensor {
    invariant(this.#logits, () => "session: feed() comes first");
    return this.#logits;
  }

  /** Runs the decoder on one new token per row, ids [rows]: fn of logits [rows, V]. */
  #advance(ids: Tensor, fn: (logits: Tensor) => Tensor): Tensor {
    if (this.#length === this.#capacity) this.#grow();
    const result = scope(() => noGrad(() => fn(this.#decodeStep(ids))));
    this.#length++;
    return result;
  }

  #decodeStep(ids: Tensor): Tensor {
    const { decoder } = this.#network.weights;
    let x = embedding(decoder.embedding, ids);
    let bias: Tensor | undefined; // of the last block that has a table
    decoder.blocks.forEach((block, i) => {
      if (block.relativeAttentionBias) bias = this.#positionBias(block.relativeAttentionBias);
      x = scope(() => this.#block(block, i, x, bias));
    });
    return this.#network.project(norm(this.#context, x, decoder.finalNorm), this.#context);
  }

  /** What the new position adds for each key: [H, 1, length + 1]. */
  #positionBias(table: Tensor): Tensor {
    return relativePositionBias(asFloat(table), {
      queryLength: 1,
      keyLength: this.#length + 1,
      queryOffset: this.#length,
      bidirectional: false,
      maxDistance: this.#context.config.relativeAttentionMaxDistance,
    });
  }

  /** One decoder block on one position: [rows, C] -> [rows, C]. */
  #block(block: BlockWeights, i: number, x: Tensor, bias: Tensor | undefined): Tensor {
    const own = this.#self[i]!;
    const length = this.#length + 1;
    const normed = norm(this.#context, x, block.selfAttention.norm);
    const { k, v } = projectKeysValues(this.#context, block.selfAttention, normed);
    this.#append(own.k, k);
    this.#append(own.v, v);
    const afterSelf = add(x, this.#attend(block.selfAttention, normed, own, length, bias));

    const cross = this.#cross[i]!;
    const query = norm(this.#context, afterSelf, block.crossAttention!.norm);
    const sourceLength = cross.k.shape[1]!;
    const afterCross = add(
      afterSelf,
      this.#attend(block.crossAttention!, query, cross, sourceLength, undefined, this.#mask),
    );
    return feedForward(this.#context, block.feedForward, afterCross);
  }

  #attend(
    w: AttentionWeights,
    normed: Tensor,
    { k, v }: KeysValues,
    length: number,
    bias?: Tensor,
    mask?: Tensor,
  ): Tensor {
    const heads = decodeAttentionForward(linear(this.#context, w.q, normed), k, v, {
      heads: this.#context.config.numHeads,
      length,
      ...(bias ? { bias } : {}),
      mask,
    });
    return linear(this.#context, w.o, heads);
  }

  /** Writes the new position [rows, H*D] behind the filled ones. */
  #append(cache: Tensor, position: Tensor): void {
    const width = cache.shape[2]!;
    const source = reshape(position, [this.#rows, 1, width]);
    copyInto(cache, source, { axis: 1, offset: this.#length });
  }

  #grow(): void {
    const { config, device } = this.#network;
    this.#capacity = Math.max(FIRST_CAPACITY, 2 * this.#capacity);
    const shape = [this.#rows, this.#capacity, config.innerDim];
    if (this.#self.length === 0) {
      const fresh = () => this.#memory.run(() => empty(device, shape, "f32"));
      this.#self = Array.from(this.#cross, () => ({ k: fresh(), v: fresh() }));
      return;
    }
    this.#replaceCaches((cache) => {
      const larger = empty(device, shape, "f32");
      copyInto(larger, cache, { axis: 1, offset: 0 });
      return larger;
    });
  }

  #replaceCaches(fn: (cache: Tensor) => Tensor): void {
    const replace = (cache: Tensor): Tensor => {
      const next = this.#memory.run(() => noGrad(() => fn(cache)));
      cache.dispose();
      return next;
    };
    this.#self = this.#self.map(({ k, v }) => ({ k: replace(k), v: replace(v) }));
  }
}
