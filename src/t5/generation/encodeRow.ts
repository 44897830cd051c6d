// The encoder's side of a row in generation. Each row is encoded by itself, without padding: nothing that is hidden is
// computed, and what a row gets does not depend on the rows beside it.

import { scope } from "../../tensor/scope.ts";
import { tensor, zeros, type Tensor } from "../../tensor/tensor.ts";
import { reshape } from "../../autograd/ops/shape.ts";
import { writeHeadsInto } from "../../kernels/attention/headCache.ts";
import type { T5Config } from "../config.ts";
import type { EncoderInputs } from "../inputs.ts";
import { projectKeysValues, type Context } from "../layers.ts";
import type { T5Network } from "../network.ts";
import type { HeadCaches } from "./headCaches.ts";

/** A row as the encoder reads it. */
export interface EncoderRow {
  readonly ids: readonly number[];
  /** 1 keeps, 0 hides; null keeps all. The first and the last are kept, unless all are hidden. */
  readonly mask: readonly number[] | null;
  /** Keys that the decoder sees. */
  readonly keys: number;
}

/** The rows of `inputs`. Without a mask, pads are hidden where there are any (docs/guide/hugging-face-semantics.md 4.1). */
export function encoderRows(
  { inputIds, attentionMask }: EncoderInputs,
  { padTokenId, eosTokenIds }: Pick<T5Config, "padTokenId" | "eosTokenIds">,
): EncoderRow[] {
  const hidesPads =
    attentionMask === undefined &&
    !eosTokenIds.includes(padTokenId) &&
    inputIds.some((row) => row.includes(padTokenId));
  return inputIds.map((ids, i) => {
    const mask = hidesPads ? ids.map((id) => (id === padTokenId ? 0 : 1)) : attentionMask?.[i];
    return encoderRow(ids, mask);
  });
}

/** A row without what is hidden at its ends: positions are distances, so that nothing else changes. */
function encoderRow(ids: readonly number[], mask: readonly number[] | undefined): EncoderRow {
  const begin = mask ? mask.indexOf(1) : 0;
  const end = mask ? mask.lastIndexOf(1) + 1 : ids.length;
  // Where all are hidden, attention is uniform over all of them (docs/guide/hugging-face-semantics.md 1.6).
  if (begin < 0) return { ids, mask: mask!, keys: ids.length };
  const own = mask?.slice(begin, end);
  const keys = own ? own.filter((kept) => kept === 1).length : end - begin;
  const hides = keys < end - begin;
  return { ids: ids.slice(begin, end), mask: hides ? own! : null, keys };
}

/** Encodes a row, and writes what cross-attention reads of it, of every decoder block, to a slot of the caches. */
export function encodeIntoCaches(
  network: T5Network,
  context: Context,
  row: EncoderRow,
  caches: HeadCaches,
  slot: number,
): void {
  const { device, weights } = network;
  scope(() => {
    const length = row.ids.length;
    const ids = tensor(Int32Array.from(row.ids), [1, length], { device });
    const mask = row.mask ? tensor(Int32Array.from(row.mask), [1, length], { device }) : undefined;
    const encoded = network.encode(ids, mask, false, context).output;
    const places = tensor(placesOf(row, slot), [length, 2], { device });
    weights.decoder.blocks.forEach((block, i) =>
      scope(() => {
        const { k, v } = projectKeysValues(context, block.crossAttention!, encoded);
        const flat = [length, v.shape[2]!];
        writeHeadsInto(
          seenKeys(row, reshape(k, flat)),
          reshape(v, flat),
          caches.blocks[i]!,
          places,
        );
      }),
    );
  });
}

/** Slot and position of every key, -1 for hidden ones: those that are seen lie one behind another. */
function placesOf({ mask, ids, keys }: EncoderRow, slot: number): Int32Array {
  let position = 0;
  return Int32Array.from(
    ids.flatMap((_, i) => [
      slot,
      mask === null || mask[i] === 1 || keys === ids.length ? position++ : -1,
    ]),
  );
}

/** Keys of 0 have equal scores: so is a row uniform of which all is hidden. */
function seenKeys({ mask, ids, keys }: EncoderRow, k: Tensor): Tensor {
  if (mask === null || keys < ids.length) return k;
  return zeros(k.shape, { device: k.device, dtype: k.dtype });
}
