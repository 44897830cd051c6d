import { describe, expect, it } from "vitest";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { ArgumentError, DatasetError } from "../../src/tensor/errors.ts";
import type { Row } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { modeNote, preprocess, preprocessSplits, shapesCell } from "../../src/data/preprocess.ts";
import {
  fillTemplate,
  inferenceTemplate,
  neededColumns,
  sourceText,
  targetText,
  trainingTemplate,
  INFERENCE_TEMPLATE,
  TRAINING_TEMPLATE,
} from "../../src/data/prompt.ts";
import { wordLengths as lengths } from "../support/wordLengths.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

const row = (dialogue: string | null, summary: string | null): Row => ({
  id: "0",
  dialogue,
  summary,
});
const dataset = (rows: readonly Row[]) => ({ features: ["id", "dialogue", "summary"], rows });

describe("prompts", () => {
  it("are the notebook's", () => {
    expect(fillTemplate(TRAINING_TEMPLATE, { dialogue: "#Person1#: Hi." })).toBe(
      "Summarize the following conversation.\n\n#Person1#: Hi.\n\nSummary: ",
    );
    expect(fillTemplate(INFERENCE_TEMPLATE, { dialogue: "#Person1#: Hi." })).toBe(
      "\nSummarize the following conversation.\n\n#Person1#: Hi.\n\nSummary:\n",
    );
  });

  it("take texts as they are, dollar signs and braces too", () => {
    const row = { dialogue: "$& {summary} $1", summary: "s" };
    expect(fillTemplate("<{dialogue}> {summary} {dialogue}", row)).toBe(
      "<$& {summary} $1> s $& {summary} $1",
    );
  });

  it("go around another source column, or are the caller's", () => {
    const article = { article: "{dialogue}", a: "1", b: "2" };
    expect(fillTemplate(trainingTemplate({ sourceColumn: "article" }), article)).toBe(
      "Summarize the following conversation.\n\n{dialogue}\n\nSummary: ",
    );
    expect(fillTemplate(inferenceTemplate({ template: "{a} {b}" }), article)).toBe("1 2");
    expect(neededColumns({ template: "{a} {b} {a}", targetColumn: "c" })).toEqual(["a", "b", "c"]);
  });

  it("write braces as Python's str.format does: doubled, and never alone", () => {
    const row = { dialogue: "{{Hi}}", n: "1" };
    for (const [template, text] of [
      ['Answer as {{"summary": {n}}}. Text: {dialogue}', 'Answer as {"summary": 1}. Text: {{Hi}}'],
      ["{{dialogue}} {dialogue}", "{dialogue} {{Hi}}"],
      ["{{{n}}}", "{1}"],
      ["{{{{}}}}{n}{{", "{{}}1{"],
      ["\\n {n}", "\\n 1"], // escapes are the command line's
    ] as const) {
      expect(fillTemplate(template, row)).toBe(text);
    }
    for (const [template, shown] of [
      ["{dialogue} } x", '"} x" at character 12'],
      ["{ {dialogue}", '"{ {dialogue}" at character 1'],
      ["{} {dialogue}", '"{} {dialogue}" at character 1'],
      ["{dialogue}}", '"}" at character 11'],
      ['{"a": {n}}', '"{\\"a\\": {n}}" at character 1'],
    ] as const) {
      expect(() => fillTemplate(template, row), template).toThrow(
        `template: a brace must be doubled or belong to a {column}, got ${shown}. Write {{ for { and }} for }.`,
      );
    }
    expect(() => fillTemplate("{{dialogue}}", row)).toThrow("must name a column");
    expect(() => fillTemplate('{"n": 1} {dialogue}', row)).toThrow("braces are written {{ and }}");
  });

  it("take columns whose names hold braces", () => {
    const columns = { sourceColumn: "{a}", targetColumn: "b}" };
    const row = { "{a}": "A", a: "wrong", "b}": "B" };
    expect(neededColumns(columns)).toEqual(["{a}", "b}"]);
    expect(fillTemplate(trainingTemplate(columns), row)).toContain("\n\nA\n\n");
    expect([sourceText(row, columns), targetText(row, columns)]).toEqual(["A", "B"]);
  });

  it("refuse a template without a column, with another, or with one that is missing", () => {
    expect(() => fillTemplate("Summarize.", { dialogue: "Hi." })).toThrow(
      `template: must name a column as in {dialogue}, got "Summarize.". ` +
        `Write for example ${JSON.stringify(TRAINING_TEMPLATE)}.`,
    );
    expect(() => fillTemplate("{ dialogue }", { dialogue: "Hi.", topic: "t" })).toThrow(
      "template: must name columns with text, got { dialogue } and only dialogue, topic.",
    );
    expect(() => fillTemplate("{topic}", { topic: null })).toThrow(
      /got \{topic\} and a missing value/,
    );
    expect(() => fillTemplate("", {})).toThrow(ArgumentError);
  });
});

describe("preprocess", () => {
  it("by default keeps every length, masks and end tokens", async () => {
    const rows = [row("ab abc", "a"), row("a", "ab abcd")];
    expect(await preprocess(dataset(rows), lengths, { template: "{dialogue}" })).toEqual([
      { inputIds: [12, 13, 1], attentionMask: [1, 1, 1], labels: [11, 1] },
      { inputIds: [11, 1], attentionMask: [1, 1], labels: [12, 14, 1] },
    ]);
  });

  it("uses the notebook's training prompt", async () => {
    const [example] = await preprocess(dataset([row("abcd", "a")]), lengths);
    const words = "Summarize the following conversation. abcd Summary:".split(" ");
    expect(example!.inputIds).toEqual([...words.map((word) => word.length + 10), 1]);
  });

  it("truncates to maxLength and keeps the end token", async () => {
    const rows = [row("a ab abc abcd", "a ab abc abcd")];
    const [example] = await preprocess(dataset(rows), lengths, {
      template: "{dialogue}",
      maxLength: 3,
    });
    expect(example).toEqual({
      inputIds: [11, 12, 1],
      attentionMask: [1, 1, 1],
      labels: [11, 12, 1],
    });
  });

  it("when faithful pads inputs and labels with 0 to maxLength and gives no mask", async () => {
    const options = { template: "{dialogue}", maxLength: 5, faithful: true };
    expect(await preprocess(dataset([row("ab abc", "a")]), lengths, options)).toEqual([
      { inputIds: [12, 13, 1, 0, 0], labels: [11, 1, 0, 0, 0] },
    ]);
    const [example] = await preprocess(dataset([row("ab", "a")]), lengths, { faithful: true });
    expect([example!.inputIds.length, example!.labels.length]).toEqual([512, 512]);
  });

  it("reports progress and lets other work run in between", async () => {
    const rows = Array.from({ length: 450 }, (_, i) => row("a ".repeat(i % 7), "a"));
    const progress: [number, number][] = [];
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const examples = await preprocess(dataset(rows), lengths, {
      template: "{dialogue}",
      onProgress: (done, total) => progress.push([done, total]),
    });
    clearInterval(timer);
    expect(examples.map(({ inputIds }) => inputIds.length)).toEqual(
      rows.map((_, i) => (i % 7) + 1),
    );
    expect(progress).toEqual([
      [200, 450],
      [400, 450],
      [450, 450],
    ]);
    expect(turns).toBeGreaterThan(0);
  });

  it("refuses rows without text and bad lengths", async () => {
    const rows = [row("a", "a"), row("a", null)];
    await expect(preprocess(dataset(rows), lengths)).rejects.toThrow(
      "preprocess: row 1 must have text in column summary, got a missing value. " +
        "Name the columns with sourceColumn and targetColumn, or leave such rows out with skipIncompleteRows of loadDataset.",
    );
    await expect(preprocess(dataset(rows), lengths, { sourceColumn: "article" })).rejects.toThrow(
      /row 0 must have text in column article, got no such column/,
    );
    await expect(preprocess(dataset(rows), lengths)).rejects.toThrow(DatasetError);
    for (const maxLength of [0, -1, 2.5]) {
      await expect(preprocess(dataset(rows), lengths, { maxLength })).rejects.toThrow(
        ArgumentError,
      );
    }
  });
});

describe("the notebook's shapes cell", () => {
  const dict = {
    train: dataset([row("a", "a"), row("a", "a")]),
    test: dataset([row("a", "a")]),
  };

  it("prints shapes and splits; progress counts all rows", async () => {
    const progress: string[] = [];
    const splits = await preprocessSplits(dict, lengths, {
      faithful: true,
      onProgress: (done, total) => progress.push(`${done}/${total}`),
    });
    expect(progress).toEqual(["2/3", "3/3"]);
    expect(shapesCell(splits)).toBe(`Shapes of the datasets:
Training: (2, 2)
Test: (1, 2)
DatasetDict({
    train: Dataset({
        features: ['input_ids', 'labels'],
        num_rows: 2
    })
    test: Dataset({
        features: ['input_ids', 'labels'],
        num_rows: 1
    })
})`);
  });

  it("shows the mask where there is one", async () => {
    const cell = shapesCell(await preprocessSplits(dict, lengths));
    expect(cell).toContain("Training: (2, 3)");
    expect(cell).toContain("features: ['input_ids', 'attention_mask', 'labels']");
  });

  it("has a note for the report in either mode", () => {
    expect(modeNote(true)).toMatch(/no attention mask/);
    expect(modeNote(false)).toMatch(/ignored \(-100\).*--faithful/);
  });
});

describe.skipIf(!hasShared)(needsShared("DialogSum with FLAN-T5's tokenizer"), () => {
  it("gives test row 200 the notebook's 231 prompt ids, and faithful rows 512", async () => {
    const tokenizer = await Tokenizer.fromPretrained(shared("models", "flan-t5-base"));
    const { test } = await loadDataset(shared("data", "dialogsum"));
    const rows = test!.rows.slice(200, 201);
    const [example] = await preprocess(dataset(rows), tokenizer);
    expect(example!.inputIds).toHaveLength(231);
    expect(example!.inputIds.slice(0, 7)).toEqual([12198, 1635, 1737, 8, 826, 3634, 5]);
    expect(example!.inputIds.slice(-4)).toEqual([20698, 10, 3, 1]);
    expect(example!.attentionMask).toEqual(new Array(231).fill(1));

    const [padded] = await preprocess(dataset(rows), tokenizer, { faithful: true });
    expect(padded!.inputIds).toEqual([...example!.inputIds, ...new Array<number>(281).fill(0)]);
    const filled = 512 - example!.labels.length;
    expect(padded!.labels).toEqual([...example!.labels, ...new Array<number>(filled).fill(0)]);
    expect(padded!.attentionMask).toBeUndefined();
  });

  it("truncates the prompts that are too long: 8 of 500 in validation", async () => {
    const tokenizer = await Tokenizer.fromPretrained(shared("models", "flan-t5-base"));
    const { validation } = await loadDataset(shared("data", "dialogsum"));
    const whole = await preprocess(validation!, tokenizer, { maxLength: 2000 });
    const cut = await preprocess(validation!, tokenizer);
    const long = whole.flatMap(({ inputIds }, i) => (inputIds.length > 512 ? [i] : []));
    expect(long).toHaveLength(8);
    for (const i of long) {
      expect(cut[i]!.inputIds).toEqual([...whole[i]!.inputIds.slice(0, 511), 1]);
    }
    const mean = whole.reduce((sum, { inputIds }) => sum + inputIds.length, 0) / whole.length;
    expect(Math.round(mean)).toBe(231);
    expect(Math.max(...whole.map(({ inputIds }) => inputIds.length))).toBe(797);
  });
});
