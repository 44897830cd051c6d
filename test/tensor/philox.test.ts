import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Generator,
  normalArray,
  philox4x32,
  streamKey,
  StreamWords,
  uniformArray,
} from "../../src/tensor/philox.ts";
import { philox as reference } from "../reference/philox.ts";

const word = fc.integer({ min: 0, max: 0xffffffff });

describe("philox4x32", () => {
  // Published with Random123 as known-answer tests of philox4x32, 10 rounds.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)("gives the published answer for counter %j", (counter, key, answer) => {
    expect(philox4x32(counter, key)).toEqual(answer);
    expect(reference(counter, key)).toEqual(answer);
  });

  it("equals arbitrary-precision arithmetic", () => {
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(philox4x32(counter, key)).toEqual(reference(counter, key));
      }),
    );
  });
});

describe("streams", () => {
  it("hand out an offset each and continue from a saved one", () => {
    const generator = new Generator(7);
    expect([generator.next(), generator.next()]).toEqual([
      { seed: 7, offset: 0 },
      { seed: 7, offset: 1 },
    ]);
    expect(new Generator(generator.seed, generator.offset).next()).toEqual({ seed: 7, offset: 2 });
  });

  it("give word i from block i >> 2, in any order", () => {
    const seed = 5 * 2 ** 32 + 9;
    const words = new StreamWords(streamKey({ seed, offset: 3 }), 3);
    for (const i of [0, 7, 3, 2 ** 33 + 1, 6]) {
      expect(words.word(i)).toBe(reference([Math.floor(i / 4), 3, 0, 0], [9, 5])[i % 4]);
    }
  });

  it("refuse seeds and offsets that do not fit", () => {
    expect(() => new Generator(-1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: random: seed must be a whole number of 0..2^53 - 1, got -1]`,
    );
    expect(() => new Generator(2 ** 53)).toThrow("seed");
    expect(() => new Generator(1, 2 ** 32)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: random: offset must be a whole number of 0..2^32 - 1, got 4294967296]`,
    );
  });
});

/** Mean and variance of an array. */
function moments(x: Float32Array): { mean: number; variance: number } {
  const mean = x.reduce((sum, value) => sum + value / x.length, 0);
  return { mean, variance: x.reduce((sum, value) => sum + (value - mean) ** 2 / x.length, 0) };
}

describe("uniformArray", () => {
  it("fills [low, high) evenly", () => {
    const size = 100_000;
    const x = uniformArray(size, -1, 3, new Generator(11));
    const { mean, variance } = moments(x);
    // Five standard errors; the fourth central moment of this distribution is 4^4 / 80.
    expect(Math.abs(mean - 1)).toBeLessThan(5 * Math.sqrt(16 / 12 / size));
    expect(Math.abs(variance - 16 / 12)).toBeLessThan(
      5 * Math.sqrt((256 / 80 - (16 / 12) ** 2) / size),
    );
    expect(x.every((value) => value >= -1 && value < 3)).toBe(true);
  });

  it("refuses an empty interval", () => {
    expect(() => uniformArray(1, 1, 0, new Generator(1))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: uniformArray: low must be at most high, got 1 and 0]`,
    );
  });
});

describe("normalArray", () => {
  it("has mean 0, the asked deviation, and a normal's share within one deviation", () => {
    const size = 100_000;
    const x = normalArray(size, 0.02, new Generator(12));
    const { mean, variance } = moments(x);
    expect(Math.abs(mean)).toBeLessThan((5 * 0.02) / Math.sqrt(size));
    expect(Math.abs(variance / 0.02 ** 2 - 1)).toBeLessThan(5 * Math.sqrt(2 / size));
    const inside = x.filter((value) => Math.abs(value) < 0.02).length / size;
    expect(Math.abs(inside - 0.682689)).toBeLessThan(5 * Math.sqrt((0.683 * 0.317) / size));
  });

  it("draws by index: a longer array begins with the shorter one", () => {
    const long = normalArray(9, 1, new Generator(3));
    expect(normalArray(5, 1, new Generator(3))).toEqual(long.slice(0, 5));
  });

  it("takes one stream an array", () => {
    const generator = new Generator(3);
    const first = normalArray(4, 1, generator);
    expect(normalArray(4, 1, generator)).not.toEqual(first);
    expect(generator.offset).toBe(2);
  });

  it("refuses a negative deviation", () => {
    expect(() => normalArray(1, -1, new Generator(1))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: normalArray: std must be at least 0, got -1]`,
    );
  });
});
