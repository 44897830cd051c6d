import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bootstrapAggregate,
  rouge,
  rougeMeans,
  rougeSamples,
  rougeScores,
  type RougeType,
} from "../../src/eval/rouge.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";

const KEYS = ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const;
const PERFECT = { precision: 1, recall: 1, fmeasure: 1 };
const NONE = { precision: 0, recall: 0, fmeasure: 0 };

const word = fc.constantFrom("a", "b", "The", "running", "runs", "café", "#Person1#", "7", "--");
const line = fc.array(word, { maxLength: 7 }).map((words) => words.join(" "));
const text = fc.array(line, { maxLength: 4 }).map((lines) => lines.join("\n"));
const useStemmer = fc.boolean();

function score(hits: number, predicted: number, referenced: number) {
  const [precision, recall] = [hits / predicted, hits / referenced];
  return { precision, recall, fmeasure: (2 * precision * recall) / (precision + recall) };
}

describe("rougeScores, by hand", () => {
  it("clips n-grams and pairs them in order", () => {
    expect(rougeScores("the cat the", "the the the cat")).toEqual({
      rouge1: score(3, 3, 4),
      rouge2: score(1, 2, 3),
      rougeL: score(2, 3, 4),
      rougeLsum: score(2, 3, 4),
    });
  });

  it("takes lines for sentences in rougeLsum alone", () => {
    const { rougeL, rougeLsum } = rougeScores("y\nx z z", "x\n\ny z\n");
    expect(rougeL).toEqual(score(2, 4, 3));
    expect(rougeLsum).toEqual(score(3, 4, 3));
  });

  it("counts a token of rougeLsum at most as often as either text has it", () => {
    expect(rougeScores("a", "a a\na").rougeLsum).toEqual(score(1, 1, 3));
    expect(rougeScores("a\na\na", "a").rougeLsum).toEqual(score(1, 3, 1));
  });

  it("unites the subsequences that rouge_score's tie rule picks", () => {
    expect(rougeScores("b a\na", "a b").rougeLsum).toEqual(score(1, 3, 2));
    expect(rougeScores("b a\nb", "a b").rougeLsum).toEqual(score(2, 3, 2));
  });

  it("keeps a-z and 0-9 of the lower-cased text", () => {
    expect(rougeScores("#PERSON1#'s  Café!", "person1 s\tcaf").rouge2).toEqual(PERFECT);
  });

  it("stems tokens of four letters and more where asked", () => {
    expect(rougeScores("running dying", "run die").rouge1).toEqual(NONE);
    expect(rougeScores("running dying", "run die", { useStemmer: true }).rouge1).toEqual(PERFECT);
    expect(rougeScores("hens", "hen", { useStemmer: true }).rouge1).toEqual(PERFECT);
    expect(rougeScores("his", "hi", { useStemmer: true }).rouge1).toEqual(NONE);
  });

  it("gives zeros where a side has no tokens or no n-grams", () => {
    for (const [prediction, reference] of [
      ["", ""],
      ["a", ""],
      ["", "a b"],
      ["!!!", "???"],
    ] as const) {
      for (const key of KEYS) expect(rougeScores(prediction, reference)[key]).toEqual(NONE);
    }
    expect(rougeScores("a", "a").rouge2).toEqual(NONE);
  });

  it("takes the best reference of each type, the first among equals", () => {
    const found = rougeScores("a b c d", ["d c b a", "a b x y", "b a"]);
    expect(found.rouge1).toEqual(PERFECT);
    expect(found.rouge2).toEqual(score(1, 3, 3));
    expect(rougeScores("a b", ["a x", "x b"]).rougeL).toEqual(score(1, 2, 2));
    expect(rougeScores("a b", ["a x", "a b x x x x"]).rouge1).toEqual(score(1, 2, 2));
    expect(rougeScores("a b", ["a b x x x x", "a x"]).rouge1).toEqual(score(2, 2, 6));
  });

  it("counts longer n-grams", () => {
    const types: RougeType[] = ["rouge3", "rouge9", "rougeL"];
    const found = rougeScores("1 2 3 4 5 6 7 8 9 0", "x 2 3 4 5 6 7 8 9 0", { rougeTypes: types });
    expect(Object.keys(found)).toEqual(types);
    expect(found.rouge3).toEqual(score(7, 8, 8));
    expect(found.rouge9).toEqual(score(1, 2, 2));
  });
});

describe("rougeScores, always", () => {
  it("is 1 for a text and itself, where it has n-grams", () => {
    fc.assert(
      fc.property(text, useStemmer, (a, stem) => {
        const tokens = (a.toLowerCase().match(/[a-z0-9]+/g) ?? []).length;
        const found = rougeScores(a, a, { useStemmer: stem });
        for (const key of KEYS) {
          expect(found[key]).toEqual(tokens > (key === "rouge2" ? 1 : 0) ? PERFECT : NONE);
        }
      }),
    );
  });

  it("swaps precision and recall with the texts, but for rougeLsum", () => {
    fc.assert(
      fc.property(text, text, useStemmer, (a, b, stem) => {
        const there = rougeScores(a, b, { useStemmer: stem });
        const back = rougeScores(b, a, { useStemmer: stem });
        for (const key of ["rouge1", "rouge2", "rougeL"] as const) {
          expect(there[key].precision).toBe(back[key].recall);
          expect(there[key].recall).toBe(back[key].precision);
          expect(there[key].fmeasure).toBeCloseTo(back[key].fmeasure, 14);
        }
      }),
    );
  });

  it("stays between 0 and 1, the fmeasure between precision and recall", () => {
    fc.assert(
      fc.property(text, text, useStemmer, (a, b, stem) => {
        for (const { precision, recall, fmeasure } of Object.values(
          rougeScores(a, b, { useStemmer: stem }),
        )) {
          const [low, high] = [Math.min(precision, recall), Math.max(precision, recall)];
          expect(low).toBeGreaterThanOrEqual(0);
          expect(high).toBeLessThanOrEqual(1);
          expect(fmeasure).toBeGreaterThanOrEqual(low - 1e-15);
          expect(fmeasure).toBeLessThanOrEqual(high + 1e-15);
        }
      }),
    );
  });

  it("finds no more in order than out of order, and as much by lines on one line", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const { rouge1, rougeL, rougeLsum } = rougeScores(a, b);
        expect(rougeL.recall).toBeLessThanOrEqual(rouge1.recall);
        expect(rougeLsum.recall).toBeLessThanOrEqual(rouge1.recall);
        const flat = rougeScores(a.replaceAll("\n", " "), b.replaceAll("\n", " "));
        expect(flat.rougeL).toEqual(rougeL);
        expect(flat.rougeLsum).toEqual(rougeL);
      }),
    );
  });

  it("does not see the order of words in rouge1, nor of lines in rougeLsum's prediction", () => {
    const shuffled = fc
      .array(line, { maxLength: 5 })
      .chain((lines) =>
        fc.tuple(fc.constant(lines), fc.shuffledSubarray(lines, { minLength: lines.length })),
      );
    fc.assert(
      fc.property(shuffled, text, ([lines, other], reference) => {
        const one = rougeScores(lines.join("\n"), reference);
        const two = rougeScores(other.join("\n"), reference);
        expect(two.rouge1).toEqual(one.rouge1);
        expect(two.rougeLsum).toEqual(one.rougeLsum);
      }),
    );
  });

  it("gives several references the highest fmeasure of each", () => {
    fc.assert(
      fc.property(
        text,
        fc.array(text, { minLength: 1, maxLength: 4 }),
        (prediction, references) => {
          const together = rougeScores(prediction, references);
          const each = references.map((reference) => rougeScores(prediction, reference));
          for (const key of KEYS) {
            const best = Math.max(...each.map((scores) => scores[key].fmeasure));
            expect(together[key]).toEqual(
              each.find((scores) => scores[key].fmeasure === best)![key],
            );
          }
        },
      ),
    );
  });
});

describe("rouge", () => {
  // Pairs with scores of their own each, so that other draws give another median.
  const predictions = ["a b c", "the cat sat", "no match", "running fast", "1 2 3 4 5", "x y", "q"];
  const references = [
    "a b d",
    "the cat ran off",
    "something else",
    ["he runs fast", "run fast"],
    "5 2 3 1 9 7 8",
    "x y z",
    "q",
  ];

  it("gives fmeasures of every pair without the aggregator, in the default order", () => {
    const found = rouge(predictions, references, { useAggregator: false, useStemmer: true });
    expect(Object.keys(found)).toEqual(KEYS);
    for (const key of KEYS) {
      const each = predictions.map(
        (prediction, i) =>
          rougeScores(prediction, references[i]!, { useStemmer: true })[key].fmeasure,
      );
      expect(found[key]).toEqual(each);
    }
    expect(found.rouge1.slice(2, 4)).toEqual([0, 1]);
  });

  it("draws the types from one stream, in the order asked for", () => {
    const found = rouge(predictions, references, { seed: 7 });
    expect(found.rougeL).not.toBe(found.rougeLsum);
    const first = rouge(predictions, references, { seed: 7, rougeTypes: ["rougeL", "rouge1"] });
    expect(Object.keys(first)).toEqual(["rougeL", "rouge1"]);
    expect(first.rougeL).toBe(
      rouge(predictions, references, { seed: 7, rougeTypes: ["rougeL"] }).rougeL,
    );
    expect(first.rougeL).not.toBe(found.rougeL);
    const twice = { seed: 7, rougeTypes: ["rougeL", "rougeL", "rouge1"] as const };
    expect(rouge(predictions, references, twice)).toEqual(first);
  });

  it("takes seed 42 unless told, and follows the seed", () => {
    const found = rouge(predictions, references);
    expect(rouge(predictions, references, { seed: 42 })).toEqual(found);
    expect(rouge(predictions, references, { seed: 43 })).not.toEqual(found);
  });

  it("is the mid of the bootstrap, with the plain mean beside it", () => {
    const samples = rougeSamples(predictions, references);
    const aggregate = bootstrapAggregate(samples);
    expect(rouge(predictions, references).rouge2).toBe(aggregate.rouge2.mid.fmeasure);
    const means = rougeMeans(samples).rouge1;
    expect(means.precision).toBeCloseTo((2 / 3 + 2 / 3 + 0 + 1 / 2 + 4 / 5 + 1 + 1) / 7, 15);
    expect(means.recall).toBeCloseTo((2 / 3 + 2 / 4 + 0 + 1 / 2 + 4 / 7 + 2 / 3 + 1) / 7, 15);
    expect(means.fmeasure).not.toBe(aggregate.rouge1.mid.fmeasure);
  });

  it("gives the one score there is when all pairs are alike", () => {
    const found = rouge(["a b", "c d"], ["a x", "c x"], { seed: 3 });
    expect(found).toEqual({ rouge1: 0.5, rouge2: 0, rougeL: 0.5, rougeLsum: 0.5 });
    expect(rouge(["a"], ["a b c"]).rouge1).toBe(0.5);
  });

  it("does not change its means with the order of the pairs", () => {
    const pairs = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(pairs, (list) => {
        const there = rougeSamples(
          list.map(([a]) => a),
          list.map(([, b]) => b),
        );
        const turned = list.toReversed();
        const back = rougeSamples(
          turned.map(([a]) => a),
          turned.map(([, b]) => b),
        );
        for (const key of KEYS) {
          expect(back[key].toReversed()).toEqual(there[key]);
          const [one, other] = [rougeMeans(there)[key], rougeMeans(back)[key]];
          expect(Math.abs(one.fmeasure - other.fmeasure)).toBeLessThan(1e-12);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("rouge refuses", () => {
  /** Arguments that TypeScript would not let through, as JavaScript callers may give them. */
  const call = rouge as (...args: unknown[]) => unknown;

  it.each<[string, unknown[], string]>([
    [
      "different lengths",
      [
        ["a", "b", "c"],
        ["a", "b"],
      ],
      "rouge: there must be as many references as predictions, got 2 and 3. Give several references of one prediction as a list.",
    ],
    ["no pair", [[], []], "rouge: there must be at least one prediction, got none"],
    [
      "an unknown type",
      [["a"], ["a"], { rougeTypes: ["rouge1", "rouge0"] }],
      'rouge: rougeTypes must be rouge1 to rouge9, rougeL or rougeLsum, got "rouge0"',
    ],
    [
      "no reference",
      [
        ["a", "b"],
        ["a", []],
      ],
      "rouge: a prediction needs at least one reference, got none at index 1",
    ],
    [
      "a missing text",
      [
        ["a", undefined],
        ["a", "b"],
      ],
      "rouge: predictions and references must be strings, got undefined at index 1",
    ],
    [
      "a missing reference",
      [
        ["a", "b"],
        [["a", null], "b"],
      ],
      "rouge: predictions and references must be strings, got null at index 0",
    ],
    [
      "one text for a list",
      ["a", "a"],
      "rouge: predictions and references must be arrays, got string and string. Use rougeScores for one pair.",
    ],
    [
      "a seed below 0",
      [["a"], ["a"], { seed: -1 }],
      "rouge: seed must be an integer from 0 to 2^32 - 1, got -1",
    ],
    [
      "a seed past 32 bits",
      [["a"], ["a"], { seed: 2 ** 32 }],
      "rouge: seed must be an integer from 0 to 2^32 - 1, got 4294967296",
    ],
  ])("%s", (_, args, message) => {
    expect(() => call(...args)).toThrow(new ArgumentError(message));
  });

  it("an unknown type and no reference in rougeScores too", () => {
    expect(() => rougeScores("a", "a", { rougeTypes: ["rouge10" as RougeType] })).toThrow(
      ArgumentError,
    );
    expect(() => rougeScores("a", [])).toThrow(ArgumentError);
  });
});
