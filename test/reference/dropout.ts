import { dropoutMask } from "./philox.ts";

/** x * mask, mask being 0 or 1 / (1 - p) by the words of a Philox stream (arXiv 1207.0580; philox.ts). */
export function dropout(
  x: ArrayLike<number>,
  p: number,
  { seed, offset }: { seed: number; offset: number },
): Float64Array {
  const mask = dropoutMask(x.length, p, seed, offset);
  return mask.map((factor, i) => factor * x[i]!);
}
