/**
 * The hash of a list that has one number more: each bit of it changes about half of the hash. Sizes are mostly multiples of large
 * powers of two, and buffers are numbered one after another: sums of products would give many of them the same.
 * @param value 32 bits
 * @see splitmix, Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014): multiply, then fold
 */
export function mix(hash: number, value: number): number {
  const product = Math.imul(hash ^ value, 0x9e3779b1);
  return product ^ (product >>> 15);
}
