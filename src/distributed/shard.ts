// How ZeRO-1 deals out a pack of parameters: every rank owns as many elements of it, keeps their moments, and updates them
// (Rajbhandari et al. 2020, arXiv 1910.02054, stage 1: optimizer states).

import { moveIntoPack, packedZeros, type Pack, type PackEntry } from "../optim/pack.ts";
import { SLICE_ALIGNMENT } from "../tensor/device.ts";
import { byteLength } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Ranks' parts begin at multiples of this many elements, so that slices of 16-bit elements are aligned, too. */
const ALIGNMENT = SLICE_ALIGNMENT / 2;

/** Elements begin..end - 1 of a pack. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** A pack of parameters of which this rank owns one part. */
export interface Shard {
  /** Its size is a multiple of the number of ranks. */
  readonly pack: Pack;
  /** All parameters, [size]. */
  readonly p: Tensor;
  /** What this rank owns. */
  readonly own: Range;
  /** Moments of this rank's part, [own.end - own.begin], and the sum of all ranks' gradients of it in f32. */
  readonly m: Tensor;
  readonly v: Tensor;
  readonly gradient: Tensor;
}

/** Moves the parameters of a pack into one tensor and makes the moments of this rank's part, zeros. */
export function shardOf(planned: Pack, rank: number, ranks: number): Shard {
  const part = Math.ceil(planned.size / (ranks * ALIGNMENT)) * ALIGNMENT;
  const pack = { ...planned, size: part * ranks };
  const p = moveIntoPack(pack);
  const partOfPack = { ...pack, size: part };
  return {
    pack,
    p,
    own: { begin: rank * part, end: (rank + 1) * part },
    m: packedZeros(partOfPack, pack.dtype),
    v: packedZeros(partOfPack, pack.dtype),
    gradient: packedZeros(partOfPack, "f32"),
  };
}

/** The part of an entry's elements, without padding, that lies in a range of the pack; null for none. */
export function common({ begin, tensor }: PackEntry, range: Range): Range | null {
  const from = Math.max(begin, range.begin);
  const to = Math.min(begin + tensor.size, range.end);
  return from < to ? { begin: from, end: to } : null;
}

/**
 * Elements of this rank's part that entries of one kind take up, as few ranges as there are: entries behind one another become one
 * with the padding between them, which is zero in parameters, moments and gradients alike.
 * @param kindOf what an entry is; null leaves it out
 */
export function ownRanges<K>(
  { pack, own }: Shard,
  kindOf: (entry: PackEntry) => K | null,
): { readonly range: Range; readonly kind: K }[] {
  const found: { range: Range; kind: K }[] = [];
  let before: PackEntry | null = null;
  for (const entry of pack.entries) {
    const [kind, range] = [kindOf(entry), common(entry, own)];
    const last = found.at(-1);
    if (kind !== null && range !== null) {
      const follows = before !== null && last?.kind === kind && last.range.end > own.begin;
      if (follows) last.range = { begin: last.range.begin, end: range.end };
      else found.push({ range, kind });
    }
    before = kind !== null && range !== null ? entry : null;
  }
  return found;
}

/** A view of elements of a tensor that holds `held` of a pack, or all of it from element 0 on. The scope around it frees it. */
export function viewOf(x: Tensor, { begin, end }: Range, held: Range | null): Tensor {
  const first = begin - (held?.begin ?? 0);
  const [offset, bytes] = [byteLength(x.dtype, first), byteLength(x.dtype, end - begin)];
  return new Tensor(x.storage.slice(offset, bytes), [end - begin], x.dtype, x.device);
}
