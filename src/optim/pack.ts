// Tensors packed behind one another into few storages, so that one kernel can update many of them.

import { copyRangeInto } from "../kernels/moves/slice.ts";
import { SLICE_ALIGNMENT, type Device, type Storage } from "../tensor/device.ts";
import { byteLength, type Dtype } from "../tensor/dtype.ts";
import { keep } from "../tensor/scope.ts";
import { alias, Tensor, zeros } from "../tensor/tensor.ts";

/** Entries begin at multiples of this many elements, so that slices of 16-bit elements are aligned too. */
const ALIGNMENT = SLICE_ALIGNMENT / 2;

/** Where one tensor lies in a pack. */
export interface PackEntry {
  readonly name: string;
  readonly tensor: Tensor;
  /** Elements before it. */
  readonly begin: number;
  /** Elements up to the next one: its own, and padding up to the alignment of slices. */
  readonly length: number;
}

/** Entries of one dtype in the order in which they lie, and the elements of all of them with their padding. */
export interface Pack {
  readonly entries: readonly PackEntry[];
  readonly dtype: Dtype;
  readonly size: number;
  readonly device: Device;
}

/**
 * Plans packs of at most `device.packBytes` bytes each. Where the device gains nothing, and where a tensor is
 * larger than that or does not end on 16 bytes, it is a pack of its own.
 * @param tensors of one device and dtype
 * @param packBytes instead of the device's
 */
export function planPacks(tensors: ReadonlyMap<string, Tensor>, packBytes?: number): Pack[] {
  const packs: Pack[] = [];
  let entries: PackEntry[] = [];
  let size = 0;
  const close = (): void => {
    const first = entries[0]?.tensor;
    if (first) packs.push({ entries, dtype: first.dtype, size, device: first.device });
    [entries, size] = [[], 0];
  };
  for (const [name, tensor] of tensors) {
    const { device } = tensor;
    // At 4 bytes an element, whatever the dtype: the gradients beside 16-bit parameters are f32.
    const limit = (packBytes ?? device.packBytes ?? 0) / 4;
    // Kernels may fill the last 16 bytes of a gradient with anything, which the norm would count as padding.
    const isPackable = limit > 0 && tensor.size % 4 === 0;
    const length = isPackable ? Math.ceil(tensor.size / ALIGNMENT) * ALIGNMENT : tensor.size;
    if (!isPackable || size + length > limit) close();
    entries.push({ name, tensor, begin: size, length });
    size += length;
    if (!isPackable) close();
  }
  close();
  return packs;
}

/** One tensor for all elements of a pack, of zeros: moments, gradients. */
export function packedZeros({ size, device }: Pack, dtype: Dtype): Tensor {
  return keep(zeros([size], { device, dtype }));
}

/** Moves the tensors of a pack into one tensor, which it returns. Each of them then views its part. */
export function moveIntoPack(pack: Pack): Tensor {
  const whole = packedZeros(pack, pack.dtype);
  for (const entry of pack.entries) {
    const flat = alias(entry.tensor, [entry.tensor.size]);
    copyRangeInto(flat, { axis: 0, begin: 0, length: flat.size }, whole, entry.begin);
    flat.dispose();
    entry.tensor.moveTo(storageOf(whole, entry.begin, entry.tensor.size));
  }
  return whole;
}

/** An entry's part of a packed tensor, in the entry's shape. */
export function partOf(whole: Tensor, { tensor, begin }: PackEntry): Tensor {
  return keep(view(whole, begin, tensor.shape, tensor.size));
}

/** Elements of several entries that lie behind one another, with their padding. The scope around it frees it. */
export function rangeOf(whole: Tensor, entries: readonly PackEntry[]): Tensor {
  const { begin } = entries[0]!;
  const last = entries.at(-1)!;
  const length = last.begin + last.length - begin;
  return view(whole, begin, [length], length);
}

function view(whole: Tensor, begin: number, shape: readonly number[], size: number): Tensor {
  return new Tensor(storageOf(whole, begin, size), shape, whole.dtype, whole.device);
}

function storageOf({ dtype, storage }: Tensor, begin: number, size: number): Storage {
  return storage.slice(byteLength(dtype, begin), byteLength(dtype, size));
}

/** Runs of entries behind one another for which `has` holds. */
export function runs(
  { entries }: Pack,
  has: (entry: PackEntry) => boolean,
): readonly (readonly PackEntry[])[] {
  const found: PackEntry[][] = [];
  let isOpen = false;
  for (const entry of entries) {
    if (!has(entry)) isOpen = false;
    else if (isOpen) found.at(-1)!.push(entry);
    else {
      found.push([entry]);
      isOpen = true;
    }
  }
  return found;
}
