// T5's learned bias of relative positions, and the gradient of its table.

import {
  bucketTensor,
  relativePositionBiasBackward,
  relativePositionBiasForward,
  relativePositionBucket,
} from "../../src/kernels/attention/positionBias.ts";
import { f32Bytes, noise, type KernelBench } from "./kernelBench.ts";

const [BUCKETS, HEADS, LENGTH] = [32, 6, 256];
const settings = { bidirectional: true, maxDistance: 128 };
const lengths = { queryLength: LENGTH, keyLength: LENGTH, ...settings };
const bucketOf = (query: number, key: number): number =>
  relativePositionBucket(key - query, { ...settings, numBuckets: BUCKETS });

export const biasBenches: readonly KernelBench[] = [
  {
    kernel: "relativePositionBias",
    shape: "[32×6] to [6×256×256], encoder",
    flops: 0,
    bytes: f32Bytes(HEADS * LENGTH * LENGTH),
    inputs: () => [noise([BUCKETS, HEADS], 1)],
    run([table]) {
      const buckets = bucketTensor(table!, lengths);
      return [relativePositionBiasForward(table!, buckets, lengths), buckets];
    },
    expected([table], index) {
      const [key, query] = [index % LENGTH, Math.floor(index / LENGTH) % LENGTH];
      const head = Math.floor(index / (LENGTH * LENGTH));
      return table!.values[bucketOf(query, key) * HEADS + head]!;
    },
  },
  {
    kernel: "relativePositionBiasBackward",
    shape: "[6×256×256] to [32×6], encoder",
    flops: 0,
    bytes: f32Bytes(HEADS * LENGTH * LENGTH),
    inputs: () => [noise([HEADS, LENGTH, LENGTH], 1), noise([BUCKETS, HEADS], 2)],
    run([dbias, table]) {
      const buckets = bucketTensor(table!, lengths);
      return [relativePositionBiasBackward(dbias!, buckets, BUCKETS), buckets];
    },
    expected([dbias], index) {
      const [bucket, head] = [Math.floor(index / HEADS), index % HEADS];
      let sum = 0;
      for (let query = 0; query < LENGTH; query++) {
        for (let key = 0; key < LENGTH; key++) {
          if (bucketOf(query, key) !== bucket) continue;
          sum += dbias!.values[(head * LENGTH + query) * LENGTH + key]!;
        }
      }
      return sum;
    },
  },
];
