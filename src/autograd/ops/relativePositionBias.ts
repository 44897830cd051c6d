// T5's learned position bias and its gradient to the bucket table.

import {
  bucketTensor,
  relativePositionBiasBackward,
  relativePositionBiasForward,
  type RelativePositionBiasOptions,
} from "../../kernels/relativePositionBias.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * bias[h, i, j] = table[bucket(j - (queryOffset + i)), h], added to attention scores.
 * @param table [buckets, H]
 * @returns [H, queryLength, keyLength]
 * @throws {ShapeError} unless table has two axes
 */
export function relativePositionBias(table: Tensor, options: RelativePositionBiasOptions): Tensor {
  if (table.rank !== 2) {
    throw new ShapeError(
      `relativePositionBias: table must be [buckets, heads], got ${formatShape(table.shape)}`,
    );
  }
  const numBuckets = table.shape[0]!;
  const buckets = bucketTensor(table, options);
  return record({
    name: "relativePositionBias",
    inputs: [table],
    output: relativePositionBiasForward(table, buckets, options),
    saved: { buckets },
    backward: (dbias, { buckets }) => [relativePositionBiasBackward(dbias, buckets, numBuckets)],
  });
}
