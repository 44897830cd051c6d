// T5's learned position bias and its gradient to the bucket table.

import {
  bucketTensor,
  relativePositionBiasBackward,
  relativePositionBiasForward,
  type RelativePositionBiasOptions,
} from "../../kernels/attention/positionBias.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * bias[h, i, j] = table[bucket(j - (queryOffset + i)), h], added to attention scores.
 * @param table [buckets, H]; at least 2 buckets, 4 when bidirectional
 * @returns [H, queryLength, keyLength]
 * @throws {ShapeError} unless table has two axes
 * @throws {ArgumentError} for lengths below 1, a negative offset, or buckets that maxDistance does not fit
 */
export function relativePositionBias(table: Tensor, options: RelativePositionBiasOptions): Tensor {
  requireTensors("relativePositionBias", { table });
  const numBuckets = table.shape[0]!;
  const buckets = bucketTensor(table, options);
  const output = relativePositionBiasForward(table, buckets, options);
  const result = record({
    name: "relativePositionBias",
    inputs: [table],
    output,
    saved: { buckets },
    backward: (dbias, { buckets }) => [relativePositionBiasBackward(dbias, buckets, numBuckets)],
  });
  buckets.dispose();
  return result;
}
