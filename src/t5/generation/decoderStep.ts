// The decoder on one new token per row, with cached keys and values.

import { embedding } from "../../autograd/ops/embedding.ts";
import { add } from "../../autograd/ops/pointwise.ts";
import { relativePositionBias } from "../../autograd/ops/relativePositionBias.ts";
import { decodeAttentionForward } from "../../kernels/attention/decode.ts";
import { writeHeadsInto } from "../../kernels/attention/headCache.ts";
import { reshape } from "../../autograd/ops/shape.ts";
import { scope } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { T5Config } from "../config.ts";
import { asFloat, feedForward, linear, norm, projectKeysValues, type Context } from "../layers.ts";
import type { T5Network } from "../network.ts";
import type { BlockWeights } from "../weights.ts";
import type { HeadCaches } from "./headCaches.ts";

/** What a step reads besides weights. Places are i32 [R, 2]: slot and last position (docs of decodeAttention). */
export interface StepInputs {
  /** i32 [R], the newest token of every row. */
  readonly ids: Tensor;
  /** Where the new position of every row goes. */
  readonly places: Tensor;
  /** i32 [R, capacity]: slots of earlier positions, where rows share their past. */
  readonly origins: Tensor | undefined;
  /** The encoder's keys of every row. */
  readonly crossPlaces: Tensor;
  /** Keys of all rows in self-attention, and in cross-attention. */
  readonly keys: number;
  readonly crossKeys: number;
}

export interface StepCaches {
  readonly self: HeadCaches;
  readonly cross: HeadCaches;
  /** By decoder block: what a key adds by its distance, [H, capacity]; see `distanceBias`. */
  readonly biases: readonly (Tensor | undefined)[];
}

/** Logits [R, V] of the tokens that follow. */
export function decoderStep(
  network: T5Network,
  context: Context,
  caches: StepCaches,
  inputs: StepInputs,
): Tensor {
  const { decoder } = network.weights;
  let x = embedding(decoder.embedding, inputs.ids);
  decoder.blocks.forEach((block, i) => {
    x = scope(() => decoderBlock(context, block, i, x, caches, inputs));
  });
  return network.project(norm(context, x, decoder.finalNorm), context);
}

/**
 * Position biases of a decoder for caches of `capacity`, the last entry that of distance 0; blocks without a table have
 * that of the last block before them which has one.
 */
export function distanceBiases(network: T5Network, capacity: number): Tensor[] {
  const { config, weights } = network;
  let bias: Tensor | undefined;
  return weights.decoder.blocks.map(({ relativeAttentionBias: table }) => {
    if (table) bias = distanceBias(table, config, capacity);
    return bias!;
  });
}

function distanceBias(table: Tensor, config: T5Config, capacity: number): Tensor {
  const bias = relativePositionBias(asFloat(table), {
    queryLength: 1,
    keyLength: capacity,
    queryOffset: capacity - 1,
    bidirectional: false,
    maxDistance: config.relativeAttentionMaxDistance,
  });
  return reshape(bias, [config.numHeads, capacity]);
}

/** One decoder block on one position: [R, C] -> [R, C]. */
function decoderBlock(
  context: Context,
  block: BlockWeights,
  i: number,
  x: Tensor,
  { self, cross, biases }: StepCaches,
  { places, origins, crossPlaces, keys, crossKeys }: StepInputs,
): Tensor {
  const own = self.blocks[i]!;
  const w = block.selfAttention;
  const normed = norm(context, x, w.norm);
  // Side by side, so that threads take them together (src/tensor/cpuRecording.ts).
  const q = linear(context, w.q, normed);
  const { k, v } = projectKeysValues(context, w, normed);
  writeHeadsInto(k, v, own, places);
  const heads = decodeAttentionForward(q, own.k, own.v, {
    places,
    keys,
    origins,
    bias: biases[i],
  });
  const afterSelf = add(x, linear(context, w.o, heads));

  const other = cross.blocks[i]!;
  const crossWeights = block.crossAttention!;
  const query = linear(context, crossWeights.q, norm(context, afterSelf, crossWeights.norm));
  const crossHeads = decodeAttentionForward(query, other.k, other.v, {
    places: crossPlaces,
    keys: crossKeys,
  });
  const afterCross = add(afterSelf, linear(context, crossWeights.o, crossHeads));
  return feedForward(context, block.feedForward, afterCross);
}
