import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lcsLength, markInRows, markInTable, markLcs } from "../../src/eval/lcs.ts";

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

describe("rows of bits", () => {
  const long = fc
    .tuple(fc.array(fc.nat(999), { maxLength: 150, size: "max" }), fc.integer({ min: 1, max: 40 }))
    .map(([numbers, words]) => Int32Array.from(numbers, (number) => number % words));

  /** Row by row, as it stands in textbooks. */
  function textbook(a: Int32Array, b: Int32Array): number {
    let row = new Array<number>(b.length + 1).fill(0);
    for (const token of a) {
      const next = [0];
      b.forEach((other, j) =>
        next.push(token === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!)),
      );
      row = next;
    }
    return row.at(-1)!;
  }

  it("give the lengths of the table", () => {
    fc.assert(
      fc.property(long, long, (a, b) => {
        expect(lcsLength(a, b)).toBe(textbook(a, b));
      }),
      { numRuns: 300 },
    );
  });

  it("mark what the table marks", () => {
    fc.assert(
      fc.property(long, long, (reference, candidate) => {
        const [inTable, inRows] = [0, 0].map(() => new Uint8Array(reference.length));
        markInTable(reference, candidate, inTable!);
        markInRows(reference, candidate, inRows!);
        expect(inRows).toEqual(inTable);
      }),
      { numRuns: 300 },
    );
  });

  it("take far less than a table for long texts, whether their words repeat or not", () => {
    for (const words of [1, 100, 20_000]) {
      const text = (step: number): Int32Array =>
        Int32Array.from({ length: 16_000 }, (_, i) => (i * step) % words);
      const [a, b, marked] = [text(3), text(7), new Uint8Array(16_000)];
      const before = process.cpuUsage();
      const length = lcsLength(a, b);
      markLcs(a, b, marked);
      const { user, system } = process.cpuUsage(before);
      expect(marked.reduce((sum, bit) => sum + bit)).toBe(length);
      expect((user + system) / 1e6).toBeLessThan(1); // a table: 3 s and 256 MB
    }
  });
});
