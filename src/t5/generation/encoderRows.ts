// Inputs as the encoder reads them: each row without what is hidden at its ends, so that nothing hidden is computed.

import type { T5Config } from "../config.ts";
import type { EncoderInputs } from "../inputs.ts";

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
