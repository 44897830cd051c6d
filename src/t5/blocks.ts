// The blocks of T5's stacks: which sublayers they have, how positions are told, and how the rows of a stack lie.
// Shape letters: layers.ts.

import { relativePositionBias } from "../autograd/ops/relativePositionBias.ts";
import type { PackedRows } from "../kernels/attention/packedRows.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { T5Config } from "./config.ts";
import type { Sublayer } from "./hiddenStates.ts";
import { asFloat, crossAttention, feedForward, selfAttention, type Context } from "./layers.ts";
import type { PackedTokens } from "./packing.ts";
import type { BlockWeights, StackWeights } from "./weights.ts";

/** How the rows of a stack lie: in [B, L], or packed. */
export interface Layout {
  /** Of the longest row. */
  readonly length: number;
  readonly paddedLength: number;
  /** Of the encoder's positions; packed rows have none. */
  readonly mask?: Tensor | undefined;
  /** Packed rows of the stack's own positions. */
  readonly own?: PackedRows;
  /** The same beside the encoder's. */
  readonly cross?: PackedRows;
}

export function layoutOf(ids: Tensor): Layout {
  return { length: ids.shape[1]!, paddedLength: ids.shape[1]! };
}

export function packedLayout(
  { lengths, paddedLength }: PackedTokens,
  source: PackedTokens,
): Layout {
  return {
    length: Math.max(...lengths),
    paddedLength,
    own: { queries: lengths, keys: lengths },
    cross: { queries: lengths, keys: source.lengths },
  };
}

/** The position bias [H, L, L] of a table [buckets, H]. */
type PositionBias = (table: Tensor) => Tensor;

export function positionBias(
  config: T5Config,
  length: number,
  bidirectional: boolean,
): PositionBias {
  return (table) =>
    relativePositionBias(asFloat(table), {
      queryLength: length,
      keyLength: length,
      bidirectional,
      maxDistance: config.relativeAttentionMaxDistance,
    });
}

/** The bias that all blocks of a stack add; undefined where each computes its own. */
export function sharedBias(
  config: T5Config,
  { blocks }: StackWeights,
  positions: PositionBias,
): Tensor | undefined {
  return config.hasBiasInEveryBlock ? undefined : positions(blocks[0]!.relativeAttentionBias!);
}

/** `bias` is undefined where every block has its own: then it is a part of what checkpointing computes again. */
type EncoderInputs = readonly [bias: Tensor | undefined, mask: Tensor | undefined];
type DecoderInputs = readonly [bias: Tensor | undefined, encoded: Tensor, mask: Tensor | undefined];

export function encoderBlock(
  context: Context,
  w: BlockWeights,
  positions: PositionBias,
  { own: rows }: Layout,
): Sublayer<EncoderInputs>[] {
  return [
    (x, shared, mask) =>
      scope(() => {
        const bias = shared ?? positions(w.relativeAttentionBias!);
        return selfAttention(context, w.selfAttention, x, { bias, mask, rows });
      }),
    (x) => feedForward(context, w.feedForward, x),
  ];
}

export function decoderBlock(
  context: Context,
  w: BlockWeights,
  positions: PositionBias,
  { own: rows, cross }: Layout,
): Sublayer<DecoderInputs>[] {
  return [
    (x, shared) =>
      scope(() => {
        const bias = shared ?? positions(w.relativeAttentionBias!);
        return selfAttention(context, w.selfAttention, x, { bias, causal: true, rows });
      }),
    (x, _bias, encoded, mask) =>
      crossAttention(context, w.crossAttention!, x, encoded, { mask, rows: cross }),
    (x) => feedForward(context, w.feedForward, x),
  ];
}
