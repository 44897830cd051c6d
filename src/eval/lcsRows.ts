// Rows of the table of a longest common subsequence, 32 columns to a word (Hyyrö 2004, "Bit-parallel LCS-length computation
// revisited"). A row is a vector of bits: bit j is 0 where the length grows from b[0..j) to b[0..j], so that lengths are numbers
// of zeros. Time a.length * b.length / 32 and the number of equal pairs at most twice that, memory b.length bits a row.

/** Where each token of `b` stands: bits for frequent tokens, positions for the others, which together stay below 2 b.length words. */
class Matches {
  readonly words: number;
  readonly #dense = new Map<number, Uint32Array>();
  readonly #sparse = new Map<number, number[]>();

  constructor(b: Int32Array) {
    this.words = Math.ceil(b.length / 32);
    const { words } = this;
    for (let j = 0; j < b.length; j++) {
      const positions = this.#sparse.get(b[j]!);
      if (positions) positions.push(j);
      else this.#sparse.set(b[j]!, [j]);
    }
    for (const [token, positions] of this.#sparse) {
      if (positions.length <= words) continue;
      const bits = new Uint32Array(words);
      for (const j of positions) bits[j >>> 5]! |= 1 << (j & 31);
      this.#dense.set(token, bits);
      this.#sparse.delete(token);
    }
  }

  /** Sets the bits of a token in `scratch`, which is zero. @returns the bits; null where the token does not occur */
  bits(token: number, scratch: Uint32Array): Uint32Array | null {
    const dense = this.#dense.get(token);
    if (dense) return dense;
    const positions = this.#sparse.get(token);
    if (positions === undefined) return null;
    for (const j of positions) scratch[j >>> 5]! |= 1 << (j & 31);
    return scratch;
  }

  /** Makes `scratch` zero again. */
  clear(token: number, scratch: Uint32Array): void {
    for (const j of this.#sparse.get(token) ?? []) scratch[j >>> 5] = 0;
  }
}

export class LcsRows {
  readonly words: number;
  readonly #matches: Matches;
  readonly #scratch: Uint32Array;

  constructor(b: Int32Array) {
    this.#matches = new Matches(b);
    this.words = this.#matches.words;
    this.#scratch = new Uint32Array(this.words);
  }

  /** The row before the first token of a: no length has grown. */
  first(): Uint32Array {
    return new Uint32Array(this.words).fill(0xffffffff);
  }

  /** Takes a row on by a token of a, in place: v <- (v + (v & m)) | (v & ~m). */
  advance(row: Uint32Array, token: number): void {
    const matches = this.#matches.bits(token, this.#scratch);
    if (matches === null) return;
    let carry = 0;
    for (let w = 0; w < this.words; w++) {
      const m = matches[w]!;
      if (m === 0 && carry === 0) continue;
      const v = row[w]!;
      const sum = v + ((v & m) >>> 0) + carry;
      carry = sum > 0xffffffff ? 1 : 0;
      row[w] = sum | (v & ~m);
    }
    this.#matches.clear(token, this.#scratch);
  }
}

/** Length that the row gives for b[0..end). */
export function lengthAt(row: Uint32Array, end: number): number {
  let zeros = 0;
  const whole = end >>> 5;
  for (let w = 0; w < whole; w++) zeros += ones(~row[w]!);
  const rest = end & 31;
  return rest === 0 ? zeros : zeros + ones(~row[whole]! & ((1 << rest) - 1));
}

function ones(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
