// The weights of a T5 as a tree, and the one place that knows their Hugging Face names and shapes.
// Building the tree asks for each tensor by name, so loading, random initialisation, counting and
// saving cannot disagree. nn.Linear weights are [out, in]; T5 has no biases.

import type { Tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";

/** A linear layer y = x W^T. An object, so that a LoRA adapter can be hung on it. */
export interface Linear<T = Tensor> {
  readonly name: string;
  /** [out, in]; another tensor while an adapter is merged into a weight of q8. */
  weight: T;
  /** What is added to y: src/t5/lora. */
  lora: LoraAdapter | null;
}

/** A low-rank addition to a linear layer: y += scale B(A(dropout(x))). */
export interface LoraAdapter {
  readonly a: Tensor; // [r, in], f32
  readonly b: Tensor; // [out, r], f32
  readonly scale: number;
  /** Dropout probability of x in training. */
  readonly dropout: number;
  /** The layer's weight from before scale B A was added to it, or a copy; null while it is not. */
  original: Tensor | null;
}

export interface AttentionWeights<T = Tensor> {
  readonly norm: T; // [C]
  readonly q: Linear<T>; // [H*D, C]
  readonly k: Linear<T>; // [H*D, C]
  readonly v: Linear<T>; // [H*D, C]
  readonly o: Linear<T>; // [C, H*D]
}

export interface FeedForwardWeights<T = Tensor> {
  readonly norm: T; // [C]
  /** The activated projection [F, C]; `wi` in files of ungated models, `wi_0` in gated ones. */
  readonly wi: Linear<T>;
  /** The projection that multiplies it, in gated models; `wi_1` in files. */
  readonly gate: Linear<T> | null;
  readonly wo: Linear<T>; // [C, F]
}

export interface BlockWeights<T = Tensor> {
  /** [buckets, H]; of UMT5 in every block, else in block 0, for the whole stack. */
  readonly relativeAttentionBias: T | null;
  readonly selfAttention: AttentionWeights<T>;
  readonly crossAttention: AttentionWeights<T> | null;
  readonly feedForward: FeedForwardWeights<T>;
}

export interface StackWeights<T = Tensor> {
  /** [V, C]; the same tensor as `shared`, but in files that hold another one for this stack. */
  readonly embedding: T;
  readonly blocks: readonly BlockWeights<T>[];
  readonly finalNorm: T; // [C]
}

export interface T5Weights<T = Tensor> {
  readonly shared: T; // [V, C]
  /** [V, C]; the same tensor as `shared` in tied models. */
  readonly lmHead: Linear<T>;
  readonly encoder: StackWeights<T>;
  readonly decoder: StackWeights<T>;
}

/** The two stacks, by their names in files. */
export type StackName = "encoder" | "decoder";

/** How transformers initialises a tensor (docs/guide/hugging-face-semantics.md 1.10): constants, or a normal distribution around 0. */
export type Initialisation = { readonly constant: number } | { readonly std: number };

/** Gives the tensor of this name; called once for each, in the order of transformers' state_dict. */
export type TensorSource<T = Tensor> = (
  name: string,
  shape: readonly number[],
  initialisation: Initialisation,
) => T;

/**
 * Builds the tree by asking `get` for every tensor.
 * @param tied whether the output projection is the embedding itself
 * @param own stacks with a token embedding of their own
 */
export function buildWeights<T = Tensor>(
  config: T5Config,
  tied: boolean,
  get: TensorSource<T>,
  own: ReadonlySet<StackName> = new Set(),
): T5Weights<T> {
  const { vocabSize, dModel, initializerFactor } = config;
  const shared = get("shared.weight", [vocabSize, dModel], { std: initializerFactor });
  const stack = (name: StackName, layers: number): StackWeights<T> => {
    const embedding = own.has(name)
      ? get(`${name}.embed_tokens.weight`, [vocabSize, dModel], { std: initializerFactor })
      : shared;
    return { embedding, ...buildStack(config, name, layers, get) };
  };
  const encoder = stack("encoder", config.numLayers);
  const decoder = stack("decoder", config.numDecoderLayers);
  const name = "lm_head.weight";
  const lmHead = tied ? shared : get(name, [vocabSize, dModel], { std: initializerFactor });
  return {
    shared,
    lmHead: { name: tied ? "shared.weight" : name, weight: lmHead, lora: null },
    encoder,
    decoder,
  };
}

/** Every linear layer, in the order of the network. A tied head is the embedding, and none of them. */
export function linearLayers<T>({ shared, encoder, decoder, lmHead }: T5Weights<T>): Linear<T>[] {
  const blocks = [...encoder.blocks, ...decoder.blocks];
  const attention = (w: AttentionWeights<T> | null) => (w ? [w.q, w.k, w.v, w.o] : []);
  const inBlocks = blocks.flatMap(({ selfAttention, crossAttention, feedForward }) => [
    ...attention(selfAttention),
    ...attention(crossAttention),
    ...[feedForward.wi, feedForward.gate, feedForward.wo].filter((layer) => layer !== null),
  ]);
  return lmHead.weight === shared ? inBlocks : [...inBlocks, lmHead];
}

function buildStack<T>(
  config: T5Config,
  stack: StackName,
  layers: number,
  get: TensorSource<T>,
): Omit<StackWeights<T>, "embedding"> {
  const { relativeAttentionNumBuckets, numHeads, dModel, initializerFactor } = config;
  const blocks = Array.from({ length: layers }, (_, i) => {
    const block = `${stack}.block.${i}.layer`;
    const selfAttention = buildAttention(config, `${block}.0`, "SelfAttention", get);
    const relativeAttentionBias =
      i === 0 || config.hasBiasInEveryBlock
        ? get(
            `${block}.0.SelfAttention.relative_attention_bias.weight`,
            [relativeAttentionNumBuckets, numHeads],
            { std: initializerFactor * dModel ** -0.5 },
          )
        : null;
    const isDecoder = stack === "decoder";
    const crossAttention = isDecoder
      ? buildAttention(config, `${block}.1`, "EncDecAttention", get)
      : null;
    const feedForward = buildFeedForward(config, `${block}.${isDecoder ? 2 : 1}`, get);
    return { relativeAttentionBias, selfAttention, crossAttention, feedForward };
  });
  const finalNorm = get(`${stack}.final_layer_norm.weight`, [dModel], {
    constant: initializerFactor,
  });
  return { blocks, finalNorm };
}

function buildAttention<T>(
  config: T5Config,
  layer: string,
  kind: "SelfAttention" | "EncDecAttention",
  get: TensorSource<T>,
): AttentionWeights<T> {
  const { dModel, dKv, innerDim, initializerFactor: factor } = config;
  const linear = (name: string, out: number, inner: number, std: number): Linear<T> => {
    const full = `${layer}.${kind}.${name}.weight`;
    return { name: full, weight: get(full, [out, inner], { std }), lora: null };
  };
  return {
    q: linear("q", innerDim, dModel, factor * (dModel * dKv) ** -0.5),
    k: linear("k", innerDim, dModel, factor * dModel ** -0.5),
    v: linear("v", innerDim, dModel, factor * dModel ** -0.5),
    o: linear("o", dModel, innerDim, factor * innerDim ** -0.5),
    norm: get(`${layer}.layer_norm.weight`, [dModel], { constant: factor }),
  };
}

function buildFeedForward<T>(
  config: T5Config,
  layer: string,
  get: TensorSource<T>,
): FeedForwardWeights<T> {
  const { dModel, dFf, isGated, initializerFactor: factor } = config;
  const linear = (name: string, out: number, inner: number): Linear<T> => {
    const full = `${layer}.DenseReluDense.${name}.weight`;
    return {
      name: full,
      weight: get(full, [out, inner], { std: factor * inner ** -0.5 }),
      lora: null,
    };
  };
  return {
    wi: linear(isGated ? "wi_0" : "wi", dFf, dModel),
    gate: isGated ? linear("wi_1", dFf, dModel) : null,
    wo: linear("wo", dModel, dFf),
    norm: get(`${layer}.layer_norm.weight`, [dModel], { constant: factor }),
  };
}
