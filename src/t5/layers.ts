// T5's sublayers, as functions of weights and activations.
//
// Shape letters here and in network.ts: B batch, T target length, S source length, L either of them,
// H heads, D head width, C model width, F feed-forward width, V vocabulary.

import type { KeepOptions } from "../autograd/keptCopies.ts";
import { attention, attentionWeightsComposed } from "../autograd/ops/attention.ts";
import { cast } from "../autograd/ops/cast.ts";
import { dropout, dropoutAdd, type Dropout } from "../autograd/ops/dropout.ts";
import { gatedGelu } from "../autograd/ops/gatedGelu.ts";
import { linearEach } from "../autograd/ops/linearEach.ts";
import { matmul } from "../autograd/ops/matmul.ts";
import { add, gelu, geluErf, mul, mulScalar, relu, silu, tanh } from "../autograd/ops/pointwise.ts";
import { rmsNorm } from "../autograd/ops/rmsNorm.ts";
import { roundTo } from "../autograd/ops/roundTo.ts";
import { noGrad } from "../autograd/tape.ts";
import type { PackedRows } from "../kernels/attention/packedRows.ts";
import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import { isHalf } from "../tensor/dtype.ts";
import type { Generator } from "../tensor/philox.ts";
import { keep, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Activation, T5Config } from "./config.ts";
import type { AttentionWeights, FeedForwardWeights, Linear } from "./weights.ts";

/** What every sublayer needs besides weights: sizes, and where random numbers come from. */
export interface Context {
  readonly config: T5Config;
  /** Source of dropout masks; null switches dropout off (evaluation). */
  readonly random: Generator | null;
  /** What matrix products and attention round their operands and results to; null computes in f32. */
  readonly autocast: HalfDtype | null;
  /** In which 16 bits backward finds activations; null keeps them in f32. */
  readonly keepAs: HalfDtype | null;
  /** Gets the attention weights of a stack, where they were asked for. */
  readonly attentions?: AttentionWeightsOfStack | null;
}

/** Attention weights of a stack, one tensor [B, H, L, keys] a block. Kept out of scopes: who collects them frees them. */
export interface AttentionWeightsOfStack {
  readonly self: Tensor[];
  readonly cross: Tensor[];
}

/** The keys and values of one attention, [B, L, H*D] each. */
export interface KeysValues {
  readonly k: Tensor;
  readonly v: Tensor;
}

/** Weights stored in 16 or 8 bits, as the f32 that arithmetic needs; others as they are. */
export function asFloat(weight: Tensor): Tensor {
  return isNarrow(weight) ? cast(weight, "f32") : weight;
}

/** Whether a weight is stored in fewer bits than f32 has. */
function isNarrow({ dtype }: Tensor): boolean {
  return isHalf(dtype) || dtype === "q8";
}

/** y = x W^T, with what an adapter adds to it: [..., in] -> [..., out]. */
export function linear(context: Context, { weight, lora }: Linear, x: Tensor): Tensor {
  if (lora === null || lora.original !== null) return applyWeight(context, weight, x);
  const { random } = context;
  return scope(() => {
    const y = applyWeight(context, weight, x);
    const dropped = random && lora.dropout > 0 ? dropout(x, lora.dropout, random.next()) : x;
    const low = mulScalar(applyWeight(context, lora.a, dropped), lora.scale);
    return add(y, applyWeight(context, lora.b, low));
  });
}

/**
 * x W^T with W [out, in], which is read as it is stored. Under autocast both operands and the result are rounded, and in
 * backward their gradients, as torch.autocast does; sums stay f32 (docs/guide/precision.md).
 */
export function applyWeight({ autocast, keepAs }: Context, weight: Tensor, x: Tensor): Tensor {
  // A weight of 16 bits or fewer says that 16 bits will do for products: a GPU's matrix units round x to 11 of them.
  const options = { transposeB: true, roundToF16: autocast !== null || isNarrow(weight), keepAs };
  if (autocast === null) return matmul(x, weight, options);
  return scope(() => {
    const stored = weight.dtype === autocast;
    const narrow = stored ? weight : cast(roundTo(asFloat(weight), autocast), autocast);
    // Operands that are 16-bit numbers already lose nothing there, nor where they are kept in 16 bits.
    return roundTo(matmul(roundTo(x, autocast), narrow, options), autocast);
  });
}

/** `linear` for layers that read the same x: one dispatch of a GPU's matrix units. */
function linears(context: Context, layers: readonly Linear[], x: Tensor): Tensor[] {
  const weights = layers.map(({ weight }) => weight);
  const arePlain = layers.every(({ lora }) => lora === null || lora.original !== null);
  const width = isNarrow(weights[0]!);
  // torch.autocast rounds the gradient that x gets from each layer, and not their sum.
  if (context.autocast !== null || !arePlain || weights.some((w) => isNarrow(w) !== width)) {
    return layers.map((layer) => linear(context, layer, x));
  }
  return linearEach(x, weights, { roundToF16: width, keepAs: context.keepAs });
}

export function norm({ config, keepAs, autocast }: Context, x: Tensor, weight: Tensor): Tensor {
  // torch.autocast leaves the residual stream in f32, of which the norm keeps x.
  return rmsNorm(x, weight, config.layerNormEpsilon, { keepAs, keepX: autocast === null });
}

/** Dropout with the configured probability while training; x itself otherwise. */
export function applyDropout(context: Context, x: Tensor): Tensor {
  const drawn = drawDropout(context);
  return drawn ? dropout(x, drawn.p, drawn) : x;
}

/** The next dropout of the configured probability, for an op that has one inside; null where nothing is dropped. */
function drawDropout({ config, random }: Context): Dropout | null {
  return random && config.dropoutRate > 0 ? { p: config.dropoutRate, ...random.next() } : null;
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
  /** Of packed rows, [tokens, C]; there is no mask then. */
  readonly rows?: PackedRows | undefined;
  /** Hides later positions. */
  readonly causal?: boolean;
}

/**
 * x + dropout( o( attention(q(norm x), k(norm x), v(norm x)) ) ): [B, L, C] -> [B, L, C], or [tokens, C] of packed rows.
 */
export function selfAttention(
  context: Context,
  w: AttentionWeights,
  x: Tensor,
  inputs: AttentionInputs,
): Tensor {
  return scope(() => {
    const normed = norm(context, x, w.norm);
    const [k, v, q] = linears(context, [w.k, w.v, w.q], normed) as [Tensor, Tensor, Tensor];
    const heads = attend(context, w, q, { k, v }, inputs);
    context.attentions?.self.push(weightsOf(context, q, k, inputs));
    return addResidual(context, x, linear(context, w.o, heads));
  });
}

/** x + dropout( o( attention(q(norm x), keys and values of the encoder) ) ): [B, T, C] -> [B, T, C], or [tokens, C]. */
export function crossAttention(
  context: Context,
  w: AttentionWeights,
  x: Tensor,
  encoded: Tensor,
  inputs: AttentionInputs,
): Tensor {
  return scope(() => {
    const q = linear(context, w.q, norm(context, x, w.norm));
    const { k, v } = projectKeysValues(context, w, encoded);
    const heads = attend(context, w, q, { k, v }, inputs);
    context.attentions?.cross.push(weightsOf(context, q, k, inputs));
    return addResidual(context, x, linear(context, w.o, heads));
  });
}

export function projectKeysValues(
  context: Context,
  w: AttentionWeights,
  source: Tensor,
): KeysValues {
  const [k, v] = linears(context, [w.k, w.v], source) as [Tensor, Tensor];
  return { k, v };
}

function attend(
  context: Context,
  w: AttentionWeights,
  q: Tensor,
  { k, v }: KeysValues,
  inputs: AttentionInputs,
): Tensor {
  const { config, autocast, keepAs } = context;
  const heads = attention(q, k, v, {
    heads: config.numHeads,
    keepAs,
    causal: inputs.causal ?? false,
    roundToF16: autocast !== null || isNarrow(w.q.weight),
    ...(inputs.bias ? { bias: inputs.bias } : {}),
    ...(inputs.mask ? { mask: inputs.mask } : {}),
    ...(inputs.rows ? { rows: inputs.rows } : {}),
    dropout: drawDropout(context),
  });
  return autocast === null ? heads : roundTo(heads, autocast);
}

/** The weights that `attend` applies, without dropout: [B, H, L, keys]. */
function weightsOf(
  { config }: Context,
  q: Tensor,
  k: Tensor,
  { bias, mask, causal = false }: AttentionInputs,
): Tensor {
  const options = { heads: config.numHeads, causal, bias: bias ?? null, mask: mask ?? null };
  return keep(scope(() => noGrad(() => attentionWeightsComposed(q, k, options))));
}

/** x + dropout( wo( dropout( act(wi n) * (gate n) ) ) ) with n = norm x; without the gate in ungated models. */
export function feedForward(context: Context, w: FeedForwardWeights, x: Tensor): Tensor {
  return scope(() => {
    const normed = norm(context, x, w.norm);
    const hidden = activate(context, w, normed);
    return addResidual(context, x, linear(context, w.wo, hidden));
  });
}

const activations: Record<Activation, (x: Tensor, options: KeepOptions) => Tensor> = {
  relu,
  gelu,
  geluErf,
  silu,
  tanh,
};

/** dropout( act(wi n) * (gate n) ): [..., C] -> [..., F]. FLAN-T5's is one op, with the same result as dropout of it. */
function activate(context: Context, w: FeedForwardWeights, normed: Tensor): Tensor {
  const { activation } = context.config;
  if (w.gate === null) {
    return applyDropout(context, activations[activation](linear(context, w.wi, normed), context));
  }
  const [projected, gate] = linears(context, [w.wi, w.gate], normed) as [Tensor, Tensor];
  // Drawn after what the adapters of both layers draw.
  if (activation === "gelu") return gatedGelu(projected, gate, drawDropout(context), context);
  return applyDropout(context, mul(activations[activation](projected, context), gate, context));
}
