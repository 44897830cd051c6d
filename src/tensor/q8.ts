// q8: weights in 8 bits. 32 neighbouring elements of a row are a block, with one f32 scale:
//
//   x_i ~ scale q_i        scale = f32(max |x_i| / 127), q_i = x_i / scale to the nearest whole number, ties to even
//
// so that |x_i - scale q_i| <= scale / 2 up to the rounding of the quotient. A block is 9 words: the scale, then the q_i, four
// to a word, the first in the lowest bits. Blocks follow one another in the order of the elements, so that where an element
// lies follows from its index alone, whatever the shape. The scale is an f32 and no f16: a block is whole words for WGSL, a
// load gives WebAssembly the scale without a conversion, and no scale is below the smallest f16; that costs 6% of the bytes.

/** Elements of a block. */
export const Q8_BLOCK = 32;
/** 32-bit words of a block. */
export const Q8_WORDS = 9;
/** Largest magnitude of a stored number. */
const MOST = 127;
/** Adding and subtracting it rounds a double below 2^51 to a whole number, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;

/** Words that `size` elements take, a multiple of 32. */
export function q8Words(size: number): number {
  return (size / Q8_BLOCK) * Q8_WORDS;
}

/**
 * Numbers as blocks. A block with a number that is not finite gets the scale NaN: it is NaN when read.
 * @param values a multiple of 32 of them
 */
export function quantizeQ8(values: ArrayLike<number>): Uint32Array {
  const words = new Uint32Array(q8Words(values.length));
  const bytes = new Int8Array(words.buffer);
  const scales = new Float32Array(words.buffer);
  for (let from = 0, word = 0; from < values.length; from += Q8_BLOCK, word += Q8_WORDS) {
    let most = 0;
    for (let i = from; i < from + Q8_BLOCK; i++) {
      const magnitude = Math.abs(values[i]!);
      if (!(magnitude <= most)) most = magnitude; // NaN stays
      if (most !== most) break;
    }
    const scale = Math.fround(most / MOST);
    if (!(scale < Infinity)) {
      scales[word] = NaN;
      continue;
    }
    scales[word] = scale;
    if (scale === 0) continue;
    for (let i = 0, at = 4 * (word + 1); i < Q8_BLOCK; i++, at++) {
      const q = values[from + i]! / scale + ROUNDER - ROUNDER;
      bytes[at] = q > MOST ? MOST : q < -MOST ? -MOST : q; // a scale below f32's normal numbers is rounded
    }
  }
  return words;
}

/** The numbers that blocks stand for. A product of 8 and 24 bits is rounded once, to f32. */
export function dequantizeQ8(words: Uint32Array): Float32Array {
  const values = new Float32Array((words.length / Q8_WORDS) * Q8_BLOCK);
  const bytes = new Int8Array(words.buffer, words.byteOffset, words.byteLength);
  const scales = new Float32Array(words.buffer, words.byteOffset, words.length);
  for (let word = 0, to = 0; word < words.length; word += Q8_WORDS) {
    const scale = scales[word]!;
    for (let i = 0, at = 4 * (word + 1); i < Q8_BLOCK; i++) values[to++] = scale * bytes[at++]!;
  }
  return values;
}

/** Stored numbers and scales apart, as files hold them. */
export interface Q8Parts {
  /** One for each element. */
  readonly values: Int8Array;
  /** One for each block. */
  readonly scales: Float32Array;
}

export function splitQ8(words: Uint32Array): Q8Parts {
  const blocks = words.length / Q8_WORDS;
  const values = new Int8Array(blocks * Q8_BLOCK);
  const scales = new Float32Array(blocks);
  const bytes = new Int8Array(words.buffer, words.byteOffset, words.byteLength);
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  for (let block = 0; block < blocks; block++) {
    scales[block] = floats[block * Q8_WORDS]!;
    const from = 4 * (block * Q8_WORDS + 1);
    values.set(bytes.subarray(from, from + Q8_BLOCK), block * Q8_BLOCK);
  }
  return { values, scales };
}

/** @param parts 32 values for each scale */
export function joinQ8({ values, scales }: Q8Parts): Uint32Array {
  const words = new Uint32Array(scales.length * Q8_WORDS);
  const bytes = new Int8Array(words.buffer);
  const floats = new Float32Array(words.buffer);
  for (let block = 0; block < scales.length; block++) {
    floats[block * Q8_WORDS] = scales[block]!;
    const from = block * Q8_BLOCK;
    bytes.set(values.subarray(from, from + Q8_BLOCK), 4 * (block * Q8_WORDS + 1));
  }
  return words;
}
