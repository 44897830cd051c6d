// Elements of a storage as the row-major tensor that strides make of them. Elements are moved as integers of their size, so
// that no bit changes.

import { sizeInBits, type SafetensorsDtype } from "../../tensor/safetensorsDtype.ts";
import { sizeOf, type Shape } from "../../tensor/shape.ts";

export function bytesPerElement(dtype: SafetensorsDtype): number {
  return Number(sizeInBits(dtype, [1])) / 8;
}

/** Whether the elements lie one after the other in row-major order. Axes of size 1 may have any stride. */
export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis]! !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** How many elements of the storage a tensor spans, from its first to its last. */
export function span(shape: Shape, strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((last, dim, axis) => last + (dim - 1) * strides[axis]!, 0);
}

const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/**
 * A row-major copy.
 * @param buffer the spanned elements, `bytes` each
 */
export function gather(
  buffer: ArrayBuffer,
  shape: Shape,
  strides: readonly number[],
  bytes: number,
): ArrayBuffer {
  const Words = words[bytes as keyof typeof words];
  const [from, to] = [new Words(buffer), new Words(sizeOf(shape))];
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < to.length; i++) {
    to[i] = from[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return to.buffer;
}

/** Turns the bytes of each element around, in place. */
export function swapBytes(buffer: ArrayBuffer, bytes: number): void {
  const all = new Uint8Array(buffer);
  for (let at = 0; at < all.length; at += bytes) all.subarray(at, at + bytes).reverse();
}
