/**
 * The hash of a list that has one number more. Sizes are mostly multiples of large powers of two, and buffers are numbered one after
 * another: sums of products would give many lists the same hash.
 * @param value 32 bits
 * @see Knuth, The Art of Computer Programming 3, 6.4: multiply by the prime next to 2^32 / golden ratio; its high bits are folded in
 */
export function mix(hash: number, value: number): number {
  const product = Math.imul(hash ^ value, 0x9e3779b1);
  return product ^ (product >>> 15);
}
