// Philox 4x32-10 in arbitrary precision, as printed in Salmon et al. 2011, and the dropout masks drawn
// from it. Independent of src/tensor/philox.ts.

const WORD = 0xffffffffn;

export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [x0, x1, x2, x3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (let round = 0n; round < 10n; round++) {
    const k0 = (BigInt(key[0]!) + round * 0x9e3779b9n) & WORD;
    const k1 = (BigInt(key[1]!) + round * 0xbb67ae85n) & WORD;
    const p0 = 0xd2511f53n * x0;
    const p1 = 0xcd9e8d57n * x2;
    [x0, x1, x2, x3] = [(p1 >> 32n) ^ x1 ^ k0, p1 & WORD, (p0 >> 32n) ^ x3 ^ k1, p0 & WORD];
  }
  return [x0, x1, x2, x3].map(Number);
}

/** `size` factors of a dropout mask: 0, or 1 / (1 - p). */
export function dropoutMask(size: number, p: number, seed: number, offset: number): Float64Array {
  const key = [Number(BigInt(seed) & WORD), Number(BigInt(seed) >> 32n)];
  return Float64Array.from({ length: size }, (_, i) => {
    const word = philox([Math.floor(i / 4), offset, 0, 0], key)[i % 4]!;
    return word >= p * 2 ** 32 ? 1 / (1 - p) : 0;
  });
}
