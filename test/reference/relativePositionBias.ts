export interface Buckets {
  readonly bidirectional: boolean;
  readonly numBuckets: number;
  readonly maxDistance: number;
}

/**
 * T5's bucket of a distance, from the first distance of each logarithmic bucket rather than from the
 * logarithm: bucket exact + s begins at the least d with (d / exact)^steps >= (maxDistance / exact)^s.
 */
export function bucket(relativePosition: number, options: Buckets): number {
  const { bidirectional, numBuckets, maxDistance } = options;
  const buckets = bidirectional ? Math.floor(numBuckets / 2) : numBuckets;
  const distance = bidirectional ? Math.abs(relativePosition) : -Math.min(relativePosition, 0);
  const exact = Math.floor(buckets / 2);
  const steps = buckets - exact;
  let found = Math.min(distance, exact);
  for (let s = 1; s < steps; s++) {
    const begin = exact * (maxDistance / exact) ** (s / steps);
    if (distance >= begin - 1e-9) found = exact + s;
  }
  return found + (bidirectional && relativePosition > 0 ? buckets : 0);
}

export interface Lengths {
  readonly queries: number;
  readonly keys: number;
  readonly offset: number;
}

/** bias[h, i, j] = table[bucket(j - (offset + i)), h] of a table [numBuckets, heads]. */
export function relativePositionBias(
  table: ArrayLike<number>,
  heads: number,
  { queries, keys, offset }: Lengths,
  options: Buckets,
): number[] {
  const bias: number[] = [];
  for (let h = 0; h < heads; h++) {
    for (let i = 0; i < queries; i++) {
      for (let j = 0; j < keys; j++) {
        bias.push(table[bucket(j - (offset + i), options) * heads + h]!);
      }
    }
  }
  return bias;
}
