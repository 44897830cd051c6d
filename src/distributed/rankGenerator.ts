// Random streams of the ranks.

import { Generator } from "../tensor/philox.ts";

/** Upper half of the key, which seeds below 2^32 leave at 0: there no two ranks draw from one stream. */
const KEYS_APART = 2 ** 32;

/** Where a rank draws its dropout masks: rank 0 where a single process does, the others from streams of their own. */
export function rankGenerator(seed: number, rank: number, offset = 0): Generator {
  if (rank === 0) return new Generator(seed, offset);
  return new Generator((seed + rank * KEYS_APART) % Number.MAX_SAFE_INTEGER, offset);
}
