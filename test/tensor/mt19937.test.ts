import { describe, expect, it } from "vitest";
import { Mt19937 } from "../../src/tensor/mt19937.ts";

function draws(seed: number, count: number): number[] {
  const generator = new Mt19937(seed);
  return Array.from({ length: count }, () => generator.nextUint32());
}

describe("Mt19937", () => {
  it("draws what mt19937ar.c and std::mt19937 draw", () => {
    const ours = draws(5489, 10_000);
    expect(ours.slice(0, 5)).toEqual([3499211612, 581869302, 3890346734, 3586334585, 545404204]);
    // The value by which the C++ standard defines std::mt19937 ([rand.predef]).
    expect(ours[9999]).toBe(4123659995);
  });

  it("draws what numpy.random.RandomState(42) draws", () => {
    expect(draws(42, 3)).toEqual([1608637542, 3421126067, 4083286876]);
  });

  it("takes the low 32 bits of the seed, as torch does", () => {
    expect(draws(-1, 5)).toEqual(draws(2 ** 32 - 1, 5));
    expect(draws(2 ** 32 + 42, 5)).toEqual(draws(42, 5));
    expect(draws(42, 5)).not.toEqual(draws(43, 5));
  });
});
