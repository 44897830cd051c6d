import { cast } from "./cast.ts";

/** Nearest number of a 16-bit float, ties to even: bits of mantissa, least exponent, and from where on it is infinity. */
const FORMATS = {
  bf16: { bits: 8, least: -126, infinite: 2 ** 128 - 2 ** 119 },
  f16: { bits: 11, least: -14, infinite: 65520 },
};

export function roundTo(value: number, dtype: "f16" | "bf16"): number {
  const { bits, least, infinite } = FORMATS[dtype];
  if (Math.abs(value) >= infinite) return Math.sign(value) * Infinity;
  // Below the least exponent units no longer shrink: beside 2^least, which lies in the normal range, they show.
  const offset = Math.sign(value) * 2 ** least;
  return Math.abs(value) < 2 ** least ? cast(value + offset, bits) - offset : cast(value, bits);
}
