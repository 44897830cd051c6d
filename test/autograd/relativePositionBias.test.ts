import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { relativePositionBias } from "../../src/autograd/ops/relativePositionBias.ts";
import { relativePositionBucket } from "../../src/kernels/attention/positionBias.ts";
import { scope } from "../../src/tensor/scope.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import * as reference from "../reference/relativePositionBias.ts";
import { describeOp, type OpCase } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { dim, seed, values } from "../support/random.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

interface Case {
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly offset: number;
  readonly bidirectional: boolean;
  readonly numBuckets: number;
  readonly maxDistance: number;
  readonly seed: number;
}

function makeCase(changes: Partial<Case>): OpCase {
  const base = { heads: 2, queries: 5, keys: 9, offset: 0, seed: 3 };
  const buckets = { bidirectional: true, numBuckets: 8, maxDistance: 12 };
  const { heads, seed, ...c } = { ...base, ...buckets, ...changes };
  const table = values(c.numBuckets * heads, seed);
  return {
    inputs: [{ shape: [c.numBuckets, heads], values: table }],
    apply: ([table]) =>
      relativePositionBias(table!, {
        queryLength: c.queries,
        keyLength: c.keys,
        queryOffset: c.offset,
        bidirectional: c.bidirectional,
        maxDistance: c.maxDistance,
      }),
    expected: {
      shape: [heads, c.queries, c.keys],
      values: reference.relativePositionBias(table, heads, c, c),
    },
  };
}

describeOp({
  name: "relativePositionBias",
  arbitrary: fc.record({
    heads: fc.constantFrom(1, 2, 3),
    queries: dim,
    keys: fc.constantFrom(1, 4, 9, 33),
    offset: fc.constantFrom(0, 1, 20),
    bidirectional: fc.boolean(),
    numBuckets: fc.constantFrom(4, 8, 9, 32),
    maxDistance: fc.constantFrom(17, 40, 128),
    seed,
  }),
  build: makeCase,
  constants: {
    bidirectional: [makeCase({}), makeCase({ bidirectional: false })],
    maxDistance: [makeCase({ keys: 16 }), makeCase({ keys: 16, maxDistance: 60 })],
    queryOffset: [makeCase({}), makeCase({ offset: 3 })],
  },
  examples: {
    "a step of decoding": makeCase({ queries: 1, keys: 40, offset: 39, bidirectional: false }),
    "T5's sizes": makeCase({ heads: 3, queries: 70, keys: 130, numBuckets: 32, maxDistance: 128 }),
  },
});

describe("relativePositionBucket", () => {
  // The distances at which FLAN-T5's buckets begin (docs/guide/hugging-face-semantics.md 1.6).
  const encoder = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
  const far = [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113];
  const decoder = [...Array(16).keys(), ...far];
  const t5 = { numBuckets: 32, maxDistance: 128 };

  it.each([
    ["encoder", encoder, true],
    ["decoder", decoder, false],
  ] as const)("begins %s buckets where T5 does", (_title, starts, bidirectional) => {
    starts.forEach((start, bucket) => {
      expect(relativePositionBucket(-start, { ...t5, bidirectional })).toBe(bucket);
      if (start > 0)
        expect(relativePositionBucket(1 - start, { ...t5, bidirectional })).toBe(bucket - 1);
      if (start > 0) {
        expect(relativePositionBucket(start, { ...t5, bidirectional })).toBe(
          bidirectional ? 16 + bucket : 0,
        );
      }
    });
  });

  it("begins a bucket where doubles fall just short of it", () => {
    const options = { bidirectional: false, numBuckets: 9, maxDistance: 128 };
    expect([-8, -16, -64].map((r) => relativePositionBucket(r, options))).toEqual([5, 6, 8]);
  });

  it("equals the reference, which takes no logarithm", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -3000, max: 3000 }),
        fc.boolean(),
        fc.integer({ min: 4, max: 64 }),
        fc.integer({ min: 33, max: 500 }),
        (relativePosition, bidirectional, numBuckets, maxDistance) => {
          const options = { bidirectional, numBuckets, maxDistance };
          expect(relativePositionBucket(relativePosition, options)).toBe(
            reference.bucket(relativePosition, options),
          );
        },
      ),
      { numRuns: 2000, seed: 20261123 },
    );
  });
});

describe.skipIf(!hasShared)(needsShared("golden buckets"), () => {
  const golden = hasShared
    ? (JSON.parse(readFileSync(shared("golden", "relative_buckets.json"), "utf8")) as {
        relative_position: [number, number];
        buckets: Record<string, number[]>;
      })
    : { relative_position: [0, 0] as const, buckets: {} };

  it.each(Object.entries(golden.buckets))("%s are equal everywhere", (name, expected) => {
    const [numBuckets, maxDistance, direction] = name.split(",");
    const options = {
      numBuckets: Number(numBuckets),
      maxDistance: Number(maxDistance),
      bidirectional: direction === "bidirectional",
    };
    const [first, last] = golden.relative_position;
    expect(expected.length).toBe(last - first + 1);
    const ours = expected.map((_, i) => relativePositionBucket(first + i, options));
    expect(ours).toEqual(expected);
  });
});

describe("relativePositionBias", () => {
  const options = { queryLength: 2, keyLength: 3, bidirectional: true, maxDistance: 128 };

  it("keeps no buckets when nothing is recorded", () => {
    scope(() => {
      const table = zeros([32, 2], { device: cpu });
      const { tensors } = cpu.memory();
      relativePositionBias(table, options);
      expect(cpu.memory().tensors).toBe(tensors + 1);
    });
  });

  it("refuses what makes no buckets", () => {
    scope(() => {
      const table = zeros([32, 2], { device: cpu });
      expect(() =>
        relativePositionBias(zeros([32], { device: cpu }), options),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: relativePositionBias: table must be [buckets, heads], got [32]]`,
      );
      expect(() =>
        relativePositionBias(zeros([3, 2], { device: cpu }), options),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: relativePositionBias: table must have at least 4 buckets, got 3]`,
      );
      expect(() =>
        relativePositionBias(table, { ...options, maxDistance: 8 }),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: relativePositionBias: maxDistance must be above 8, the distances that have a bucket each, got 8]`,
      );
      expect(() =>
        relativePositionBias(table, { ...options, keyLength: 0 }),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: relativePositionBias: keyLength must be a whole number of at least 1, got 0]`,
      );
      expect(() =>
        relativePositionBias(table, { ...options, queryOffset: -1 }),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: relativePositionBias: queryOffset must be a whole number of at least 0, got -1]`,
      );
    });
  });
});
