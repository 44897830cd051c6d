// T5's sublayers, as functions of weights and activations.
//
// Shape letters here and in model.ts: B batch, T target length, S source length, L either of them,
// H heads, D head width, C model width, F feed-forward width, V vocabulary.

import { attention } from "../autograd/ops/attention.ts";
import { cast } from "../autograd/ops/cast.ts";
import { dropout, dropoutAdd } from "../autograd/ops/dropout.ts";
import { gatedGelu } from "../autograd/ops/gatedGelu.ts";
import { matmul } from "../autograd/ops/matmul.ts";
import { add, gelu, mul, relu, silu, tanh } from "../autograd/ops/pointwise.ts";
import { rmsNorm } from "../autograd/ops/rmsNorm.ts";
import { isHalf } from "../tensor/dtype.ts";
import type { Generator } from "../tensor/philox.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Activation, T5Config } from "./config.ts";
import type { AttentionWeights, FeedForwardWeights, Linear } from "./weights.ts";

/** What every sublayer needs besides weights: sizes, and where random numbers come from. */
export interface Context {
  readonly config: T5Config;
  /** Source of dropout masks; null switches dropout off (evaluation). */
  readonly random: Generator | null;
}

/** The keys and values of one attention, [B, L, H*D] each. */
export interface KeysValues {
  readonly k: Tensor;
  readonly v: Tensor;
}

/** Weights stored in 16 bits, as the f32 that arithmetic needs; others as they are. */
export function asFloat(weight: Tensor): Tensor {
  return isHalf(weight.dtype) ? cast(weight, "f32") : weight;
}

/** y = x W^T: [..., in] -> [..., out]. */
export function linear(layer: Linear, x: Tensor): Tensor {
  return matmul(x, asFloat(layer.weight), { transposeB: true });
}

export function norm(context: Context, x: Tensor, weight: Tensor): Tensor {
  return rmsNorm(x, asFloat(weight), context.config.layerNormEpsilon);
}

/** Dropout with the configured probability while training; x itself otherwise. */
export function applyDropout({ config, random }: Context, x: Tensor): Tensor {
  return random && config.dropoutRate > 0 ? dropout(x, config.dropoutRate, random.next()) : x;
}

/** residual + dropout(x), every sublayer's last step. */
export function addResidual({ config, random }: Context, residual: Tensor, x: Tensor): Tensor {
  if (random === null || config.dropoutRate === 0) return add(residual, x);
  return dropoutAdd(residual, x, config.dropoutRate, random.next());
}

export interface AttentionInputs {
  /** [H, L, L]; T5's learned position bias, the same for every block of a stack. */
  readonly bias?: Tensor | undefined;
  /** [B, keys]; 1 where a key may be attended to. */
  readonly mask?: Tensor | undefined;
  /** Hides later positions. */
  readonly causal?: boolean;
}

/**
 * x + dropout( o( attention(q(norm x), k(norm x), v(norm x)) ) ): [B, L, C] -> [B, L, C].
 */
export function selfAttention(
  context: Context,
  w: AttentionWeights,
  x: Tensor,
  inputs: AttentionInputs,
): Tensor {
  return scope(() => {
    const normed = norm(context, x, w.norm);
    const { k, v } = projectKeysValues(w, normed);
    const heads = attend(context, linear(w.q, normed), { k, v }, inputs);
    return addResidual(context, x, linear(w.o, heads));
  });
}

/** x + dropout( o( attention(q(norm x), keys and values of the encoder) ) ): [B, T, C] -> [B, T, C]. */
export function crossAttention(
  context: Context,
  w: AttentionWeights,
  x: Tensor,
  encoded: Tensor,
  mask: Tensor | undefined,
): Tensor {
  return scope(() => {
    const q = linear(w.q, norm(context, x, w.norm));
    const heads = attend(context, q, projectKeysValues(w, encoded), { mask });
    return addResidual(context, x, linear(w.o, heads));
  });
}

export function projectKeysValues(w: AttentionWeights, source: Tensor): KeysValues {
  return { k: linear(w.k, source), v: linear(w.v, source) };
}

function attend(
  context: Context,
  q: Tensor,
  { k, v }: KeysValues,
  inputs: AttentionInputs,
): Tensor {
  const { config, random } = context;
  return attention(q, k, v, {
    heads: config.numHeads,
    causal: inputs.causal ?? false,
    ...(inputs.bias ? { bias: inputs.bias } : {}),
    ...(inputs.mask ? { mask: inputs.mask } : {}),
    ...(random && config.dropoutRate > 0
      ? { dropout: { p: config.dropoutRate, ...random.next() } }
      : {}),
  });
}

/** x + dropout( wo( dropout( act(wi n) * (gate n) ) ) ) with n = norm x; without the gate in ungated models. */
export function feedForward(context: Context, w: FeedForwardWeights, x: Tensor): Tensor {
  return scope(() => {
    const normed = norm(context, x, w.norm);
    const hidden = activate(context.config.activation, w, normed);
    return addResidual(context, x, linear(w.wo, applyDropout(context, hidden)));
  });
}

const activations: Record<Activation, (x: Tensor) => Tensor> = { relu, gelu, silu, tanh };

function activate(activation: Activation, w: FeedForwardWeights, normed: Tensor): Tensor {
  const projected = linear(w.wi, normed);
  if (w.gate === null) return activations[activation](projected);
  const gate = linear(w.gate, normed);
  return activation === "gelu"
    ? gatedGelu(projected, gate)
    : mul(activations[activation](projected), gate);
}
