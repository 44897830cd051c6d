// "of the peak" in the bench's tables: a share of what was measured in the same way, so never above 100%.

import { expect, it } from "vitest";
import { better, peakFor, raised, rateOf, type Peaks } from "../../bench/peaks/peaks.ts";

const peaks: Peaks = {
  flops: 1e9,
  bytes: 10,
  copies: [
    { bytes: 100, rate: 50 },
    { bytes: 1000, rate: 20 },
    { bytes: 10_000, rate: 10 },
  ],
};
const moved = (bytes: number, milliseconds = 1000) => ({ flops: 0, bytes, milliseconds });

it("compares a kernel with the largest copy that is no larger than it, and with arithmetic if it computes", () => {
  expect([10, 100, 999, 1000, 1e6].map((bytes) => peakFor(moved(bytes), peaks))).toEqual([
    50, 50, 50, 20, 10,
  ]);
  expect(peakFor({ flops: 5, bytes: 1e6, milliseconds: 1 }, peaks)).toBe(1e9);
  expect(peakFor(moved(100), { flops: 1, bytes: 7 })).toBe(7);
});

it("takes the better of two measurements", () => {
  const quiet = { ...peaks, flops: 2e9, copies: peaks.copies!.map((c) => ({ ...c, rate: 30 })) };
  expect(better(peaks, quiet)).toEqual({
    flops: 2e9,
    bytes: 10,
    copies: [50, 30, 30].map((rate, i) => ({ bytes: peaks.copies![i]!.bytes, rate })),
  });
  expect(better({ flops: 1, bytes: 2 }, { flops: 3, bytes: 1 })).toEqual({ flops: 3, bytes: 2 });
});

it("lets no kernel be above its peak", () => {
  const results = [moved(50, 100), moved(5000, 1), { flops: 4e9, bytes: 1, milliseconds: 1000 }];
  for (const given of [peaks, { flops: 1e9, bytes: 10 }]) {
    const high = raised(given, results);
    for (const result of results) {
      expect(rateOf(result)).toBeLessThanOrEqual(peakFor(result, high));
    }
  }
  expect(raised(peaks, [moved(100, 1e6)])).toEqual(peaks);
});
