import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/tensor/errors.ts";
import {
  epochOrder,
  lengthGroupedEvaluation,
  lengthGroupedOrder,
  randperm,
} from "../../src/data/dataOrder.ts";
import { goldenLengths, optimizersGolden } from "../support/optimizersGolden.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

describe("randperm", () => {
  it("is torch.randperm", () => {
    expect([...randperm(10, 42)]).toEqual([2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
    expect([...randperm(12460, 42).subarray(0, 16)]).toEqual([
      1702, 9258, 2966, 3452, 8086, 8855, 3148, 1881, 3030, 10283, 7088, 10566, 9302, 7771, 1723,
      1827,
    ]);
    expect([...randperm(12460, 43).subarray(0, 8)]).toEqual([
      4448, 571, 2515, 3809, 8585, 7605, 3732, 6487,
    ]);
  });

  it("takes no row and one row", () => {
    expect([...randperm(0, 1)]).toEqual([]);
    expect([...randperm(1, 1)]).toEqual([0]);
  });

  it("holds every row once", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.maxSafeInteger(), (n, seed) => {
        const sorted = [...randperm(n, seed)].sort((a, b) => a - b);
        expect(sorted).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
  });

  it("refuses what is no number of rows and no seed", () => {
    for (const n of [-1, 1.5, NaN, 2 ** 32]) {
      expect(() => randperm(n, 42)).toThrow(ArgumentError);
      expect(() => randperm(n, 42)).toThrow(`n must be an integer from 0 to 214748363, got ${n}`);
    }
    for (const seed of [0.5, NaN, 2 ** 60]) {
      expect(() => randperm(3, seed)).toThrow(ArgumentError);
      expect(() => randperm(3, seed)).toThrow(
        `seed must be an integer of at most 53 bits, got ${seed}`,
      );
    }
  });
});

describe("epochOrder", () => {
  it("seeds each epoch with seed + epoch", () => {
    expect(epochOrder(100, 42, 0)).toEqual(randperm(100, 42));
    expect(epochOrder(100, 42, 3)).toEqual(randperm(100, 45));
    expect(epochOrder(100, 42, 1)).not.toEqual(epochOrder(100, 42, 0));
  });

  describe.skipIf(!hasShared)(needsShared("against the Trainer"), () => {
    it.each([
      ["run-notebook", 240],
      ["run-masked", 240],
      ["run-full", 32],
      ["mini", 12460],
    ])("orders the batches of %s, epoch after epoch", (run, n) => {
      const { batches, arguments: args } = JSON.parse(
        readFileSync(shared("golden", run, "run.json"), "utf8"),
      ) as { batches: number[][]; arguments: { seed: number } };
      let seen = 0;
      for (let epoch = 0; seen < batches.length; epoch++) {
        const order = [...epochOrder(n, args.seed, epoch)];
        for (let at = 0; at < n && seen < batches.length; seen++) {
          const batch = batches[seen]!;
          expect(order.slice(at, at + batch.length), `step ${seen}`).toEqual(batch);
          at += batch.length;
        }
      }
    });
  });
});

describe("lengthGroupedOrder", () => {
  it.each(optimizersGolden.length_groups)(
    "is that of transformers' Trainer ($rows rows, $batch an update, seed $seed)",
    ({ rows, batch, seed, orders }) => {
      const lengths = goldenLengths(rows);
      const actual = orders.map((_, epoch) => [...lengthGroupedOrder(lengths, batch, seed, epoch)]);
      expect(actual).toEqual(orders);
    },
  );

  it("pads less than a random order, and begins with the longest row", () => {
    const lengths = goldenLengths(603);
    const padding = (order: Uint32Array): number => {
      let sum = 0;
      for (let i = 0; i < order.length; i += 8) {
        const batch = [...order.subarray(i, i + 8)].map((row) => lengths[row]!);
        sum += batch.reduce((all, length) => all + Math.max(...batch) - length, 0);
      }
      return sum;
    };
    const grouped = lengthGroupedOrder(lengths, 8, 42, 0);
    expect(padding(grouped)).toBeLessThan(0.1 * padding(randperm(603, 42)));
    expect(lengths[grouped[0]!]).toBe(Math.max(...lengths));
  });

  it("holds every row once, also in evaluations, which draw the same each time", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20), { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (lengths, batchSize, seed) => {
          const rows = lengths.map((_, i) => i);
          const orders = [
            lengthGroupedOrder(lengths, batchSize, seed, 1),
            lengthGroupedEvaluation(lengths, batchSize, seed),
          ];
          for (const order of orders) expect([...order].sort((a, b) => a - b)).toEqual(rows);
        },
      ),
    );
  });

  it("refuses what is no seed", () => {
    expect(() => lengthGroupedOrder([1], 1, 0.5, 0)).toThrow(ArgumentError);
  });
});
