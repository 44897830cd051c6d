// The T5 network: encoder, decoder, language-model head (Raffel et al. 2020,
// arXiv 1910.10683; T5 v1.1, FLAN-T5 and mT5 with gated GELU and an untied head; UMT5 with a position bias in
// every block). Shape letters: layers.ts.

import { keepCopy } from "../autograd/keptCopies.ts";
import { crossEntropy } from "../autograd/ops/crossEntropy.ts";
import { embedding } from "../autograd/ops/embedding.ts";
import { add, mulScalar } from "../autograd/ops/pointwise.ts";
import type { HalfDtype } from "../kernels/pointwise/roundTo.ts";
import type { Device } from "../tensor/device.ts";
import { isHalf } from "../tensor/dtype.ts";
import { Generator, uniformArray } from "../tensor/philox.ts";
import { scope } from "../tensor/scope.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import {
  decoderBlock,
  encoderBlock,
  layoutOf,
  packedLayout,
  positionBias,
  sharedBias,
  type Layout,
} from "./blocks.ts";
import type { T5Config } from "./config.ts";
import type { GenerationConfig } from "./generationConfig.ts";
import { HiddenStates, type StackOutput } from "./hiddenStates.ts";
import {
  checkInputs,
  decoderInput,
  labelsTensor,
  maskTensor,
  tokenTensor,
  type TokenIds,
} from "./inputs.ts";
import { AttentionOutputs } from "./attentionOutputs.ts";
import { applyDropout, linear, norm, type Context } from "./layers.ts";
import { packBatch, type PackedTokens } from "./packing.ts";
import type { StackWeights, T5Weights } from "./weights.ts";

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

/** What `forwardPacked` gives: the loss, and logits and labels of the tokens that it is of. */
export interface PackedOutputs {
  /** Mean cross-entropy over labels other than -100. */
  readonly loss: Tensor;
  /** [tokens, V] */
  readonly logits: Tensor;
  /** i32 [tokens] */
  readonly labels: Tensor;
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
    const { config, autocast, weights } = this;
    // Weights in 16 bits say that 16 will do for what backward reads, too. Those of bf16: what f16 weights meet may pass its range.
    const keepAs = autocast ?? (isHalf(weights.shared.dtype) ? "bf16" : null);
    return { config, random: this.training ? this.random : null, autocast, keepAs };
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

  /**
   * The loss of `forward` from the batch's tokens alone, its padding left out: equal to rounding, but for what dropout draws.
   * @returns loss, logits [tokens, V] and labels [tokens] of the decoder; null where a batch cannot be packed or has no padding
   *   (src/t5/packing.ts says when), or where `forward` is not this class's own: then `forward` is to compute the loss
   * @throws as `forward`
   */
  forwardPacked(inputs: ForwardInputs): PackedOutputs | null {
    checkInputs("forward", inputs);
    if (this.forward !== T5Network.prototype.forward) return null; // it may compute another loss
    return scope(() => {
      const batch = packBatch(inputs, this.config, this.device);
      if (batch === null) return null;
      const { source, target, labels } = batch;
      const logits = this.project(this.decodePacked(target, this.encodePacked(source), source));
      return { loss: crossEntropy(logits, labels), logits, labels };
    });
  }

  /** @internal Encoder stack: ids [B, S] -> [B, S, C]. */
  encode(
    ids: Tensor,
    mask: Tensor | undefined,
    keepStates = false,
    context = this.context,
  ): StackOutput {
    return this.#encoder(context, ids, { ...layoutOf(ids), mask }, keepStates);
  }

  /** @internal Encoder stack of packed rows: ids [tokens] -> [tokens, C]. */
  encodePacked(source: PackedTokens, context = this.context): Tensor {
    return this.#encoder(context, source.ids, packedLayout(source, source), false).output;
  }

  /** @internal Decoder stack: ids [B, T], encoded [B, S, C] -> [B, T, C]. */
  decode(
    ids: Tensor,
    encoded: Tensor,
    mask: Tensor | undefined,
    keepStates = false,
    context = this.context,
  ): StackOutput {
    return this.#decoder(context, ids, encoded, { ...layoutOf(ids), mask }, keepStates);
  }

  /** @internal Decoder stack of packed rows: ids [tokens], encoded [tokens of source, C] -> [tokens, C]. */
  decodePacked(
    target: PackedTokens,
    encoded: Tensor,
    source: PackedTokens,
    context = this.context,
  ): Tensor {
    return this.#decoder(context, target.ids, encoded, packedLayout(target, source), false).output;
  }

  #encoder(context: Context, ids: Tensor, layout: Layout, keepStates: boolean): StackOutput {
    const { config } = this;
    const { encoder } = this.weights;
    const positions = positionBias(config, layout.length, true);
    const bias = sharedBias(config, encoder, positions);
    const states = this.#embed(context, encoder, ids, layout, keepStates);
    for (const block of encoder.blocks) {
      states.advance(encoderBlock(context, block, positions, layout), [bias, layout.mask]);
    }
    return states.finish((x) =>
      keepCopy(applyDropout(context, norm(context, x, encoder.finalNorm)), context.keepAs),
    );
  }

  #decoder(
    context: Context,
    ids: Tensor,
    encoded: Tensor,
    layout: Layout,
    keepStates: boolean,
  ): StackOutput {
    const { config } = this;
    const { decoder } = this.weights;
    const positions = positionBias(config, layout.length, false);
    const bias = sharedBias(config, decoder, positions);
    const states = this.#embed(context, decoder, ids, layout, keepStates);
    for (const block of decoder.blocks) {
      states.advance(decoderBlock(context, block, positions, layout), [bias, encoded, layout.mask]);
    }
    return states.finish((x) => applyDropout(context, norm(context, x, decoder.finalNorm)));
  }

  /** @internal Logits [..., V] of decoder outputs [..., C]; tied models scale by C^-0.5 first (docs/guide/hugging-face-semantics.md 1.1). */
  project(x: Tensor, context = this.context): Tensor {
    const { scaleDecoderOutputs, dModel } = this.config;
    const scaled = scaleDecoderOutputs ? mulScalar(x, dModel ** -0.5) : x;
    return linear(context, this.weights.lmHead, scaled);
  }

  /** x [..., C] with NEFTune's noise, which is drawn from the stream of dropout. */
  #withNoise({ random }: Context, x: Tensor, { paddedLength }: Layout): Tensor {
    const { neftuneNoiseAlpha: alpha, device } = this;
    if (alpha === null || random === null) return x;
    const most = alpha / Math.sqrt(paddedLength * this.config.dModel);
    const noise = uniformArray(x.size, -most, most, random);
    return add(x, tensor(noise, x.shape, { device, dtype: x.dtype }));
  }

  /** The residual stream of a stack, at its beginning. */
  #embed(
    context: Context,
    stack: StackWeights,
    ids: Tensor,
    layout: Layout,
    keepStates: boolean,
  ): HiddenStates {
    const x = scope(() =>
      applyDropout(context, this.#withNoise(context, embedding(stack.embedding, ids), layout)),
    );
    const recompute = this.gradientCheckpointing && this.training;
    return new HiddenStates(x, { keepStates, recompute });
  }
}
