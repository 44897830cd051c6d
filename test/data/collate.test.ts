import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, DatasetError } from "../../src/tensor/errors.ts";
import { defaultCollator } from "../../src/data/batches.ts";
import { defaultCollate, seq2seqCollate, type Example } from "../../src/data/collate.ts";

const ids = (max: number) =>
  fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: max });
const example: fc.Arbitrary<Example> = fc
  .record({ inputIds: ids(12), labels: ids(7), masked: fc.boolean() })
  .map(({ inputIds, labels, masked }) =>
    masked
      ? { inputIds, attentionMask: inputIds.map((id) => id % 2), labels }
      : { inputIds, labels },
  );

describe("defaultCollate", () => {
  it("stacks equal lengths into fresh arrays", () => {
    const examples = [
      { inputIds: [5, 6, 1], labels: [7, 0] },
      { inputIds: [8, 1, 0], labels: [9, 1] },
    ];
    const batch = defaultCollate(examples);
    expect(batch).toEqual({
      inputIds: [
        [5, 6, 1],
        [8, 1, 0],
      ],
      labels: [
        [7, 0],
        [9, 1],
      ],
    });
    expect("attentionMask" in batch).toBe(false);
    batch.inputIds[0]![0] = 99;
    expect(examples[0]!.inputIds[0]).toBe(5);
  });

  it("keeps masks", () => {
    const examples = [{ inputIds: [5, 1, 0], attentionMask: [1, 1, 0], labels: [7] }];
    expect(defaultCollate(examples).attentionMask).toEqual([[1, 1, 0]]);
  });

  it("refuses unequal lengths, masks on some examples only, and no examples", () => {
    const short = { inputIds: [5, 1], labels: [7] };
    const long = { inputIds: [5, 6, 1], labels: [7] };
    expect(() => defaultCollate([short, long])).toThrow(
      "defaultCollate: every example of a batch must have as many inputIds as the first (2), got 3 in example 1. " +
        "Use seq2seqCollate, which pads.",
    );
    expect(() => defaultCollate([short, { ...short, attentionMask: [1, 1] }])).toThrow(
      /as many attentionMask as the first \(none\), got 2 in example 1/,
    );
    expect(() => defaultCollate([])).toThrow(DatasetError);
  });
});

describe("seq2seqCollate", () => {
  it("pads inputs with the pad id, masks with 0 and labels with -100, to the longest of the batch", () => {
    const batch = seq2seqCollate([
      { inputIds: [5, 6, 1], attentionMask: [1, 1, 1], labels: [1] },
      { inputIds: [1], labels: [7, 1] },
    ]);
    expect(batch).toEqual({
      inputIds: [
        [5, 6, 1],
        [1, 0, 0],
      ],
      attentionMask: [
        [1, 1, 1],
        [1, 0, 0],
      ],
      labels: [
        [1, -100],
        [7, 1],
      ],
    });
  });

  it("takes other fill values", () => {
    const examples = [
      { inputIds: [5, 1], labels: [1] },
      { inputIds: [1], labels: [7, 1] },
    ];
    const batch = seq2seqCollate(examples, { padTokenId: 3, labelPadId: 0 });
    expect(batch.inputIds[1]).toEqual([1, 3]);
    expect(batch.labels[0]).toEqual([1, 0]);
  });

  it("keeps every example as the start of its row, and rounds lengths up to the multiple and no further", () => {
    fc.assert(
      fc.property(
        fc.array(example, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 16 }),
        (examples, padToMultipleOf) => {
          const { inputIds, attentionMask, labels } = seq2seqCollate(examples, { padToMultipleOf });
          for (const [rows, field] of [
            [inputIds, "inputIds"],
            [labels, "labels"],
          ] as const) {
            const width = rows[0]!.length;
            const longest = Math.max(...examples.map((each) => each[field].length));
            expect(rows.every((row) => row.length === width)).toBe(true);
            expect(width % padToMultipleOf).toBe(0);
            expect(width).toBeGreaterThanOrEqual(longest);
            expect(width - longest).toBeLessThan(padToMultipleOf);
            const fill = field === "labels" ? -100 : 0;
            examples.forEach((each, i) => {
              const own = each[field].length;
              expect(rows[i]!.slice(0, own)).toEqual(each[field]);
              expect(rows[i]!.slice(own).every((value) => value === fill)).toBe(true);
            });
          }
          examples.forEach((each, i) => {
            const own = each.attentionMask ?? each.inputIds.map(() => 1);
            const filled = new Array<number>(inputIds[0]!.length - own.length).fill(0);
            expect(attentionMask![i]).toEqual([...own, ...filled]);
          });
        },
      ),
    );
  });

  it("refuses an empty batch, masks of another length and a multiple below 1", () => {
    const one = { inputIds: [5, 1], labels: [1] };
    expect(() => seq2seqCollate([])).toThrow(DatasetError);
    expect(() => seq2seqCollate([{ ...one, attentionMask: [1] }])).toThrow(
      /attentionMask must be as long as inputIds \(2\), got 1 in example 0/,
    );
    for (const padToMultipleOf of [0, -8, 1.5]) {
      expect(() => seq2seqCollate([one], { padToMultipleOf })).toThrow(ArgumentError);
    }
  });
});

describe("a row that is no example", () => {
  const good = { inputIds: [5, 1], labels: [7] };
  const bad: Record<string, unknown> = {
    "must be an example, got null": null,
    "must be an example, got undefined": undefined,
    "must be an example, got a string": "row",
    "must have inputIds, an array of numbers, got undefined": {},
    "must have inputIds, an array of numbers, got a string": { ...good, inputIds: "ab" },
    "must have inputIds, an array of numbers, got null": { ...good, inputIds: null },
    "must have labels, an array of numbers, got undefined": { inputIds: [5, 1] },
    "must have labels, an array of numbers, got an object": { ...good, labels: { length: 1 } },
    "must have attentionMask, an array of numbers, got a number": { ...good, attentionMask: 1 },
  };
  it.each(Object.keys(bad))("%s", (message) => {
    const rows = [good, bad[message]] as Example[];
    for (const collate of [defaultCollate, seq2seqCollate, defaultCollator(0)]) {
      expect(() => collate(rows)).toThrow(DatasetError);
      expect(() => collate(rows)).toThrow(`example 1 of a batch ${message}. A row is`);
    }
  });

  it("may be of typed arrays, and its mask null", () => {
    const row = { inputIds: Int32Array.of(5, 1), labels: Int32Array.of(7), attentionMask: null };
    const rows = [row, { ...row, inputIds: [6] }] as unknown as Example[];
    expect(seq2seqCollate(rows).inputIds).toEqual([
      [5, 1],
      [6, 0],
    ]);
    expect(seq2seqCollate(rows).attentionMask).toEqual([
      [1, 1],
      [1, 0],
    ]);
  });
});
