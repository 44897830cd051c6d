// The T5 network: encoder, decoder, language-model head (Raffel et al. 2020,
// arXiv 1910.10683; T5 v1.1, FLAN-T5 and mT5 with gated GELU and an untied head; UMT5 with a position bias in
// every block). Shape letters: layers.ts.

import { crossEntropy } from "../autograd/ops/crossEntropy.ts";
import { embedding } from "../autograd/ops/embedding.ts";
import { add, mulScalar } from "../autograd/ops/pointwise.ts";
import { relativePositionBias } from "../autograd/ops/relativePositionBias.ts";
import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import type { Device } from "../tensor/device.ts";
import { Generator, uniformArray } from "../tensor/philox.ts";
import { scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";
import type { GenerationConfig } from "./generationConfig.ts";
import { HiddenStates, type StackOutput, type Sublayer } from "./hiddenStates.ts";
import {
  checkInputs,
  decoderInput,
  labelsTensor,
  maskTensor,
  tokenTensor,
  type TokenIds,
} from "./inputs.ts";
import {
  applyDropout,
  asFloat,
  crossAttention,
  feedForward,
  linear,
  norm,
  selfAttention,
  type Context,
} from "./layers.ts";
import { AttentionOutputs } from "./attentionOutputs.ts";
import type { BlockWeights, StackWeights, T5Weights } from "./weights.ts";

/** What `forward` reads: token ids, their mask, and labels or decoder ids. */
export interface ForwardInputs {
  /** [B, S] token ids. */
  readonly inputIds: TokenIds;
  /** [B, S]; 1 keeps, 0 hides. None given means none applied (transformers' forward does the same). */
  readonly attentionMask?: TokenIds | undefined;
  /** [B, T]; -100 is ignored by the loss. Gives decoderInputIds when those are left out. */
  readonly labels?: TokenIds | undefined;
  /** [B, T], beginning with the decoder start token. */
  readonly decoderInputIds?: TokenIds | undefined;
  readonly outputHiddenStates?: boolean;
  /** Gives the attention weights, too (transformers' output_attentions), without dropout and without gradients. */
  readonly outputAttentions?: boolean;
}

/** What `forward` gives: logits, the encoder's output, and the loss when there are labels. */
export interface ForwardOutputs {
  /** Mean cross-entropy over labels other than -100; present when labels were given. */
  readonly loss?: Tensor;
  /** [B, T, V] */
  readonly logits: Tensor;
  /** [B, S, C] */
  readonly encoderLastHiddenState: Tensor;
  /** Embeddings, then every block's output; the last one is the stack's output after its final norm. */
  readonly encoderHiddenStates?: readonly Tensor[];
  readonly decoderHiddenStates?: readonly Tensor[];
  /** [B, H, S, S] a block: how much each input token looks at each other. */
  readonly encoderAttentions?: readonly Tensor[];
  /** [B, H, T, T] a block. */
  readonly decoderAttentions?: readonly Tensor[];
  /** [B, H, T, S] a block: how much each output token looks at each input token. Rows sum to 1. */
  readonly crossAttentions?: readonly Tensor[];
}

/** Weights and the forward pass. T5ForConditionalGeneration (model.ts) adds files and generation. */
export class T5Network {
  readonly config: T5Config;
  readonly generationConfig: GenerationConfig;
  /** @internal Use `parameters()` of T5ForConditionalGeneration. */
  readonly weights: T5Weights;
  readonly device: Device;
  /** Source of dropout masks; its offset is part of a training checkpoint. */
  random = new Generator(42);
  training = false;
  /** Mixed precision of `forward`; the Trainer sets it for fp16 and bf16. Generation does not look at it. */
  autocast: HalfDtype | null = null;
  /**
   * NEFTune (arXiv 2310.05914): in training, uniform noise of up to alpha / sqrt(tokens * width) on the embeddings that go into
   * encoder and decoder; the Trainer sets it for neftuneNoiseAlpha. transformers 5 hooks it to a module that T5 no longer calls.
   */
  neftuneNoiseAlpha: number | null = null;
  /** Whether training computes each block again in backward instead of keeping its activations. */
  gradientCheckpointing = false;

  /** @internal */
  constructor(config: T5Config, generationConfig: GenerationConfig, weights: T5Weights) {
    this.config = config;
    this.generationConfig = generationConfig;
    this.weights = weights;
    this.device = weights.shared.device;
  }

  /** Switches dropout on. */
  train(): void {
    this.training = true;
  }

  /** Switches dropout off. */
  eval(): void {
    this.training = false;
  }

  /**
   * Trains with less memory and about a third more arithmetic: of each block only the input is kept, and backward
   * computes the block again. Losses and gradients stay the same. Nothing changes in evaluation.
   */
  gradientCheckpointingEnable(): void {
    this.gradientCheckpointing = true;
  }

  /** Keeps all activations again. */
  gradientCheckpointingDisable(): void {
    this.gradientCheckpointing = false;
  }

  /** @internal */
  get context(): Context {
    const { config, autocast } = this;
    return { config, random: this.training ? this.random : null, autocast };
  }

  /**
   * One pass through encoder and decoder.
   * @throws {ShapeError} for ragged or mismatched rows
   * @throws {ArgumentError} for ids outside the vocabulary, or without labels and decoderInputIds
   */
  forward(inputs: ForwardInputs): ForwardOutputs {
    checkInputs("forward", inputs);
    const { config, device } = this;
    return scope(() => {
      const ids = tokenTensor("inputIds", inputs.inputIds, config.vocabSize, device);
      const mask = maskTensor(inputs.attentionMask, ids.shape, device);
      const labels =
        inputs.labels && labelsTensor(inputs.labels, ids.shape[0]!, config.vocabSize, device);
      const targetIds = decoderInput(inputs.decoderInputIds, labels, config, device);

      const keepStates = inputs.outputHiddenStates ?? false;
      const attentions = new AttentionOutputs(inputs.outputAttentions ?? false);
      const encoder = this.encode(ids, mask, keepStates, attentions.of("encoder", this.context));
      const context = attentions.of("decoder", this.context);
      const decoder = this.decode(targetIds, encoder.output, mask, keepStates, context);
      const logits = this.project(decoder.output);
      const result = {
        logits,
        encoderLastHiddenState: encoder.output,
        ...(keepStates
          ? { encoderHiddenStates: encoder.states, decoderHiddenStates: decoder.states }
          : {}),
        ...attentions.take(),
      };
      return labels ? { ...result, loss: crossEntropy(logits, labels) } : result;
    });
  }

  /** @internal Encoder stack: ids [B, S] -> [B, S, C]. */
  encode(
    ids: Tensor,
    mask: Tensor | undefined,
    keepStates = false,
    context = this.context,
  ): StackOutput {
    const { config } = this;
    const { encoder } = this.weights;
    const positions = positionBias(config, ids.shape[1]!, true);
    const bias = sharedBias(config, encoder, positions);
    const states = this.#embed(context, encoder, ids, keepStates);
    for (const block of encoder.blocks) {
      states.advance(encoderBlock(context, block, positions), [bias, mask]);
    }
    return states.finish((x) => applyDropout(context, norm(context, x, encoder.finalNorm)));
  }

  /** @internal Decoder stack: ids [B, T], encoded [B, S, C] -> [B, T, C]. */
  decode(
    ids: Tensor,
    encoded: Tensor,
    mask: Tensor | undefined,
    keepStates = false,
    context = this.context,
  ): StackOutput {
    const { config } = this;
    const { decoder } = this.weights;
    const positions = positionBias(config, ids.shape[1]!, false);
    const bias = sharedBias(config, decoder, positions);
    const states = this.#embed(context, decoder, ids, keepStates);
    for (const block of decoder.blocks) {
      states.advance(decoderBlock(context, block, positions), [bias, encoded, mask]);
    }
    return states.finish((x) => applyDropout(context, norm(context, x, decoder.finalNorm)));
  }

  /** @internal Logits [..., V] of decoder outputs [..., C]; tied models scale by C^-0.5 first (docs/guide/hugging-face-semantics.md 1.1). */
  project(x: Tensor, context = this.context): Tensor {
    const { scaleDecoderOutputs, dModel } = this.config;
    const scaled = scaleDecoderOutputs ? mulScalar(x, dModel ** -0.5) : x;
    return linear(context, this.weights.lmHead, scaled);
  }

  /** x [B, L, C] with NEFTune's noise, which is drawn from the stream of dropout. */
  #withNoise({ random }: Context, x: Tensor): Tensor {
    const { neftuneNoiseAlpha: alpha, device } = this;
    if (alpha === null || random === null) return x;
    const [, length, width] = x.shape as readonly [number, number, number];
    const most = alpha / Math.sqrt(length * width);
    const noise = uniformArray(x.size, -most, most, random);
    return add(x, tensor(noise, x.shape, { device, dtype: x.dtype }));
  }

  /** The residual stream of a stack, at its beginning. */
  #embed(context: Context, stack: StackWeights, ids: Tensor, keepStates: boolean): HiddenStates {
    const x = scope(() =>
      applyDropout(context, this.#withNoise(context, embedding(stack.embedding, ids))),
    );
    const recompute = this.gradientCheckpointing && this.training;
    return new HiddenStates(x, { keepStates, recompute });
  }
}

/** The position bias [H, L, L] of a table [buckets, H]. */
type PositionBias = (table: Tensor) => Tensor;

function positionBias(config: T5Config, length: number, bidirectional: boolean): PositionBias {
  return (table) =>
    relativePositionBias(asFloat(table), {
      queryLength: length,
      keyLength: length,
      bidirectional,
      maxDistance: config.relativeAttentionMaxDistance,
    });
}

/** The bias that all blocks of a stack add; undefined where each computes its own. */
function sharedBias(
  config: T5Config,
  { blocks }: StackWeights,
  positions: PositionBias,
): Tensor | undefined {
  return config.hasBiasInEveryBlock ? undefined : positions(blocks[0]!.relativeAttentionBias!);
}

/** `bias` is undefined where every block has its own: then it is a part of what checkpointing computes again. */
type EncoderInputs = readonly [bias: Tensor | undefined, mask: Tensor | undefined];
type DecoderInputs = readonly [bias: Tensor | undefined, encoded: Tensor, mask: Tensor | undefined];

function encoderBlock(
  context: Context,
  w: BlockWeights,
  positions: PositionBias,
): Sublayer<EncoderInputs>[] {
  return [
    (x, shared, mask) =>
      scope(() => {
        const bias = shared ?? positions(w.relativeAttentionBias!);
        return selfAttention(context, w.selfAttention, x, { bias, mask });
      }),
    (x) => feedForward(context, w.feedForward, x),
  ];
}

function decoderBlock(
  context: Context,
  w: BlockWeights,
  positions: PositionBias,
): Sublayer<DecoderInputs>[] {
  return [
    (x, shared) =>
      scope(() => {
        const bias = shared ?? positions(w.relativeAttentionBias!);
        return selfAttention(context, w.selfAttention, x, { bias, causal: true });
      }),
    (x, _bias, encoded, mask) => crossAttention(context, w.crossAttention!, x, encoded, mask),
    (x) => feedForward(context, w.feedForward, x),
  ];
}
