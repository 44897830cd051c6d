import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bootstrapMeans, columnMeans, drawBelow } from "../../src/eval/bootstrap.ts";
import { Mt19937 } from "../../src/tensor/mt19937.ts";

describe("drawBelow", () => {
  it("draws numpy.random.choice(10, size=10) of seed 42, in 16 draws", () => {
    const generator = new Mt19937(42);
    const drawn = Array.from({ length: 10 }, () => drawBelow(10, generator));
    expect(drawn).toEqual([6, 3, 7, 4, 6, 9, 2, 6, 7, 4]);
    const fresh = new Mt19937(42);
    for (let i = 0; i < 16; i++) fresh.nextUint32();
    expect(generator.nextUint32()).toBe(fresh.nextUint32());
  });

  it("draws nothing where there is no choice", () => {
    const generator = new Mt19937(42);
    expect(drawBelow(1, generator)).toBe(0);
    expect(generator.nextUint32()).toBe(new Mt19937(42).nextUint32());
  });

  it("reaches every number below", () => {
    for (const count of [2, 3, 4, 5, 8, 9]) {
      const generator = new Mt19937(1);
      const drawn = new Set(Array.from({ length: 40 * count }, () => drawBelow(count, generator)));
      expect([...drawn].sort()).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });
});

describe("bootstrapMeans", () => {
  // Made with NumPy 2.4.6: np.random.seed, np.random.choice, np.mean and np.percentile as in rouge_score.
  it("equals NumPy, call after call on one generator", () => {
    const rows = Float64Array.of(0, 1, 2, 4, 8, 0.5, 0.25, 3);
    const generator = new Mt19937(42);
    expect(bootstrapMeans(rows, 2, generator)).toEqual({
      low: Float64Array.of(0.0625, 0.75),
      mid: Float64Array.of(2.5, 2.125),
      high: Float64Array.of(6.0625, 3.5),
    });
    expect(bootstrapMeans(rows, 2, generator)).toEqual({
      low: Float64Array.of(0.125, 0.75),
      mid: Float64Array.of(2.5625, 2.125),
      high: Float64Array.of(6.0625, 3.5),
    });
  });

  it("equals NumPy between two rounds", () => {
    const rows = [0.3137, 0.07219, 0.59173, 0.83911, 0.23, 0.97, 0.41, 0.13, 0.71, 0.02];
    const { low, mid, high } = bootstrapMeans(Float64Array.from(rows), 1, new Mt19937(2024));
    const numpy = [0.23944627500000001, 0.422662, 0.6388699];
    for (const [i, value] of [...low, ...mid, ...high].entries()) {
      expect(Math.abs(value - numpy[i]!)).toBeLessThan(1e-15);
    }
  });

  it("keeps low, mid and high in order, within the values", () => {
    const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(values, fc.nat(), (rows, seed) => {
        const found = bootstrapMeans(Float64Array.from(rows), 1, new Mt19937(seed));
        const [low, mid, high] = [found.low[0]!, found.mid[0]!, found.high[0]!];
        expect(low).toBeLessThanOrEqual(mid);
        expect(mid).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(Math.min(...rows) - 1e-15);
        expect(high).toBeLessThanOrEqual(Math.max(...rows) + 1e-15);
      }),
      { numRuns: 50 },
    );
  });
});

describe("columnMeans", () => {
  it("averages each column", () => {
    expect(columnMeans(Float64Array.of(1, 10, 2, 20, 6, 60), 2)).toEqual(Float64Array.of(3, 30));
  });
});
