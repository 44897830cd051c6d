// The weights of a T5 as a tree, and the one place that knows their Hugging Face names and shapes.
// Building the tree asks for each tensor by name, so loading, random initialisation, counting and
// saving cannot disagree. nn.Linear weights are [out, in]; T5 has no biases.

import type { Tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";

/** A linear layer y = x W^T. An object, so that a LoRA adapter can be hung on it. */
export interface Linear {
  readonly name: string;
  /** [out, in] */
  weight: Tensor;
}

export interface AttentionWeights {
  readonly norm: Tensor; // [C]
  readonly q: Linear; // [H*D, C]
  readonly k: Linear; // [H*D, C]
  readonly v: Linear; // [H*D, C]
  readonly o: Linear; // [C, H*D]
}

export interface FeedForwardWeights {
  readonly norm: Tensor; // [C]
  /** The activated projection [F, C]; `wi` in files of ungated models, `wi_0` in gated ones. */
  readonly wi: Linear;
  /** The projection that multiplies it, in gated models; `wi_1` in files. */
  readonly gate: Linear | null;
  readonly wo: Linear; // [C, F]
}

export interface BlockWeights {
  readonly selfAttention: AttentionWeights;
  readonly crossAttention: AttentionWeights | null;
  readonly feedForward: FeedForwardWeights;
}

export interface StackWeights {
  readonly relativeAttentionBias: Tensor; // [buckets, H]
  readonly blocks: readonly BlockWeights[];
  readonly finalNorm: Tensor; // [C]
}

export interface T5Weights {
  readonly shared: Tensor; // [V, C]
  /** [V, C]; the same tensor as `shared` in tied models. */
  readonly lmHead: Linear;
  readonly encoder: StackWeights;
  readonly decoder: StackWeights;
}

/** How transformers initialises a tensor (hf-semantics 1.10): constants, or a normal distribution around 0. */
export type Initialisation = { readonly constant: number } | { readonly std: number };

/** Gives the tensor of this name; called once for each, in the order of transformers' state_dict. */
export type TensorSource = (
  name: string,
  shape: readonly number[],
  initialisation: Initialisation,
) => Tensor;

/**
 * Builds the tree by asking `get` for every tensor.
 * @param tied whether the output projection is the embedding itself
 */
export function buildWeights(config: T5Config, tied: boolean, get: TensorSource): T5Weights {
  const { vocabSize, dModel, initializerFactor } = config;
  const shared = get("shared.weight", [vocabSize, dModel], { std: initializerFactor });
  const encoder = buildStack(config, "encoder", config.numLayers, get);
  const decoder = buildStack(config, "decoder", config.numDecoderLayers, get);
  const name = "lm_head.weight";
  const lmHead = tied ? shared : get(name, [vocabSize, dModel], { std: initializerFactor });
  return {
    shared,
    lmHead: { name: tied ? "shared.weight" : name, weight: lmHead },
    encoder,
    decoder,
  };
}

function buildStack(
  config: T5Config,
  stack: "encoder" | "decoder",
  layers: number,
  get: TensorSource,
): StackWeights {
  const { relativeAttentionNumBuckets, numHeads, dModel, initializerFactor } = config;
  // Block 0 holds the position bias of the whole stack.
  let relativeAttentionBias: Tensor | undefined;
  const blocks = Array.from({ length: layers }, (_, i) => {
    const block = `${stack}.block.${i}.layer`;
    const selfAttention = buildAttention(config, `${block}.0`, "SelfAttention", get);
    relativeAttentionBias ??= get(
      `${block}.0.SelfAttention.relative_attention_bias.weight`,
      [relativeAttentionNumBuckets, numHeads],
      { std: initializerFactor * dModel ** -0.5 },
    );
    const isDecoder = stack === "decoder";
    const crossAttention = isDecoder
      ? buildAttention(config, `${block}.1`, "EncDecAttention", get)
      : null;
    const feedForward = buildFeedForward(config, `${block}.${isDecoder ? 2 : 1}`, get);
    return { selfAttention, crossAttention, feedForward };
  });
  const finalNorm = get(`${stack}.final_layer_norm.weight`, [dModel], {
    constant: initializerFactor,
  });
  if (relativeAttentionBias === undefined) throw new Error(`internal: ${stack} without layers`);
  return { relativeAttentionBias, blocks, finalNorm };
}

function buildAttention(
  config: T5Config,
  layer: string,
  kind: "SelfAttention" | "EncDecAttention",
  get: TensorSource,
): AttentionWeights {
  const { dModel, dKv, innerDim, initializerFactor: factor } = config;
  const linear = (name: string, out: number, inner: number, std: number): Linear => {
    const full = `${layer}.${kind}.${name}.weight`;
    return { name: full, weight: get(full, [out, inner], { std }) };
  };
  return {
    q: linear("q", innerDim, dModel, factor * (dModel * dKv) ** -0.5),
    k: linear("k", innerDim, dModel, factor * dModel ** -0.5),
    v: linear("v", innerDim, dModel, factor * dModel ** -0.5),
    o: linear("o", dModel, innerDim, factor * innerDim ** -0.5),
    norm: get(`${layer}.layer_norm.weight`, [dModel], { constant: factor }),
  };
}

function buildFeedForward(config: T5Config, layer: string, get: TensorSource): FeedForwardWeights {
  const { dModel, dFf, isGated, initializerFactor: factor } = config;
  const linear = (name: string, out: number, inner: number): Linear => {
    const full = `${layer}.DenseReluDense.${name}.weight`;
    return { name: full, weight: get(full, [out, inner], { std: factor * inner ** -0.5 }) };
  };
  return {
    wi: linear(isGated ? "wi_0" : "wi", dFf, dModel),
    gate: isGated ? linear("wi_1", dFf, dModel) : null,
    wo: linear("wo", dModel, dFf),
    norm: get(`${layer}.layer_norm.weight`, [dModel], { constant: factor }),
  };
}
