import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lcsLength, markLcs } from "../../src/eval/lcs.ts";

const sequence = fc.array(fc.nat(2), { maxLength: 8 }).map((numbers) => Int32Array.from(numbers));

/** By the definition: the longest of all subsequences of a that b has too. */
function longestByTrial(a: Int32Array, b: Int32Array): number {
  let longest = 0;
  for (let chosen = 0; chosen < 2 ** a.length; chosen++) {
    const part = a.filter((_, i) => (chosen >> i) & 1);
    if (part.length > longest && isSubsequence(part, b)) longest = part.length;
  }
  return longest;
}

function isSubsequence(part: Int32Array, whole: Int32Array): boolean {
  let found = 0;
  for (const token of whole) if (token === part[found]) found++;
  return found === part.length;
}

function marks(reference: number[], ...candidates: number[][]): number[] {
  const marked = new Uint8Array(reference.length);
  for (const candidate of candidates) {
    markLcs(Int32Array.from(reference), Int32Array.from(candidate), marked);
  }
  return [...marked];
}

describe("lcsLength", () => {
  it("is the longest common subsequence by trial of all", () => {
    fc.assert(
      fc.property(sequence, sequence, (a, b) => {
        expect(lcsLength(a, b)).toBe(longestByTrial(a, b));
      }),
    );
  });
});

describe("markLcs", () => {
  it("marks one longest common subsequence", () => {
    fc.assert(
      fc.property(sequence, sequence, (reference, candidate) => {
        const marked = new Uint8Array(reference.length);
        markLcs(reference, candidate, marked);
        const common = reference.filter((_, i) => marked[i]);
        expect(common.length).toBe(lcsLength(reference, candidate));
        expect(isSubsequence(common, candidate)).toBe(true);
      }),
    );
  });

  it("chooses among equally long ones as rouge_score does", () => {
    expect(marks([1, 2], [2, 1])).toEqual([1, 0]);
    expect(marks([1, 1], [1])).toEqual([0, 1]);
    expect(marks([1, 2, 3], [3, 1, 2, 1])).toEqual([1, 1, 0]);
    expect(marks([1, 2, 1, 3], [3, 2, 1])).toEqual([0, 1, 1, 0]);
  });

  it("adds up candidates", () => {
    expect(marks([1, 2, 3], [1], [3])).toEqual([1, 0, 1]);
    expect(marks([1, 2], [2, 1], [2])).toEqual([1, 1]);
  });
});
