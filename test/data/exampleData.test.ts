import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { buildTokenizer, VOCABULARY_SIZE } from "../../scripts/example/buildTokenizer.ts";
import { dialogueText, makeDialogue, SITUATIONS } from "../../scripts/example/dialogue.ts";
import { EXAMPLE_SIZES, generateSplits, toCsv } from "../../scripts/example/generateDialogues.ts";
import { generatePretraining, TASK_WEIGHTS } from "../../scripts/example/generatePretraining.ts";
import { Random } from "../../scripts/example/random.ts";
import type { Ending } from "../../scripts/example/situation.ts";
import { trainUnigram } from "../../scripts/example/unigram.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { SPLITS, type DatasetDict } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/loadDataset.ts";
import { fillTemplate, INFERENCE_TEMPLATE, TRAINING_TEMPLATE } from "../../src/data/prompt.ts";

const examples = (path: string): string =>
  fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const oneSpace = (text: string): string => text.replace(/\s+/g, " ").trim();

describe("the example's dataset", () => {
  let dict: DatasetDict;
  beforeAll(async () => {
    dict = await loadDataset(examples("data"));
  });

  it("is what its generator writes, byte for byte", async () => {
    const splits = generateSplits();
    for (const split of SPLITS) {
      const committed = await readFile(examples(`data/${split}.csv`), "utf8");
      expect(committed === toCsv(splits[split]), `${split}.csv; run makeExample.ts`).toBe(true);
    }
  });

  it("has DialogSum's columns and splits, three references a test dialogue", () => {
    for (const split of SPLITS) {
      expect(dict[split]!.features).toEqual(["id", "dialogue", "summary", "topic"]);
    }
    expect(dict.train!.rows).toHaveLength(EXAMPLE_SIZES.train);
    expect(dict.validation!.rows).toHaveLength(EXAMPLE_SIZES.validation);
    const test = dict.test!.rows;
    expect(test).toHaveLength(3 * EXAMPLE_SIZES.test);
    for (let i = 0; i < test.length; i += 3) {
      const references = test.slice(i, i + 3);
      expect(new Set(references.map((row) => row["dialogue"])).size).toBe(1);
      expect(new Set(references.map((row) => row["summary"])).size).toBe(3);
      expect(references.map((row) => row["id"])).toEqual(
        [1, 2, 3].map((k) => `test_${i / 3}_${k}`),
      );
    }
  });

  it("has no dialogue in two splits, and every situation in training", () => {
    const dialogues = (split: "train" | "validation" | "test") =>
      new Set(dict[split]!.rows.map((row) => row["dialogue"]));
    const all = SPLITS.map(dialogues);
    const union = new Set(all.flatMap((each) => [...each]));
    expect(union.size).toBe(all.reduce((sum, each) => sum + each.size, 0));
    const topics = new Set(dict.train!.rows.map((row) => row["topic"]));
    expect(topics).toEqual(new Set(SITUATIONS.map(({ topic }) => topic)));
  });

  it("names no one in a summary whom the dialogue does not mention", () => {
    for (const row of SPLITS.flatMap((split) => dict[split]!.rows)) {
      const names =
        row["summary"]!.match(/(?<!^)\b[A-Z][a-z]+\b(?<!Spanish|Person)|#Person\d#/g) ?? [];
      for (const name of names) expect(row["dialogue"]).toContain(name);
    }
  });

  it("is small", async () => {
    const sizes = await Promise.all(SPLITS.map((split) => readFile(examples(`data/${split}.csv`))));
    expect(sizes.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(1.2e6);
  });
});

describe("the generator", () => {
  it("repeats itself for the same seed only", () => {
    const dialogues = (seed: number): string[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => dialogueText(makeDialogue(random)));
    };
    expect(dialogues(5)).toEqual(dialogues(5));
    expect(new Set([...dialogues(5), ...dialogues(6)]).size).toBe(40);
  });

  it("never repeats a dialogue, however many are asked for", () => {
    const { train } = generateSplits(7, { train: 12000, validation: 0, test: 0 });
    expect(new Set(train.map(({ dialogue }) => dialogue)).size).toBe(12000);
  });

  it("leaves no slot open and writes proper sentences, in every ending of every situation", () => {
    const random = new Random(3);
    const endings = new Set<Ending>();
    const odd: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const dialogue = makeDialogue(random);
      endings.add(dialogue.ending);
      const texts = [...dialogue.lines.map(({ text }) => text), ...dialogue.summaries];
      odd.push(...texts.filter((text) => !/^(#Person\d#|[A-Z0-9])[^{}|~]*[.?!]$/.test(text)));
      if (dialogue.slots.size === 0) odd.push(`${dialogue.situation.topic} without slots`);
      if (dialogue.lines[0]!.speaker !== "#Person1#") odd.push(dialogueText(dialogue));
    }
    expect(odd).toEqual([]);
    expect(endings).toEqual(new Set(SITUATIONS.flatMap((situation) => situation.endings)));
  });
});

describe("pre-training pairs", () => {
  const take = (seed: number, n: number) => {
    const pairs = generatePretraining(seed);
    return Array.from({ length: n }, () => pairs.next().value);
  };

  it("repeat themselves for the same seed and mix all tasks", () => {
    expect(take(1, 200)).toEqual(take(1, 200));
    expect(take(1, 200)).not.toEqual(take(2, 200));
    const tasks = new Set(take(3, 500).map(({ task }) => task));
    expect(tasks).toEqual(new Set(Object.keys(TASK_WEIGHTS)));
  });

  it("never show the prompt, the summaries or the test dialogues of fine-tuning", async () => {
    const { test } = await loadDataset(examples("data"));
    const held = new Set(test!.rows.map((row) => row["dialogue"]!));
    const wordings = SITUATIONS.flatMap(({ endings }) => endings.flatMap((each) => each.summaries));
    const manner = wordings.map(
      (wording) => new RegExp(`^${wording.replaceAll(".", "\\.").replace(/\{\w+\}/g, ".+")}$`),
    );
    expect(
      manner.some((each) => each.test("Anna sends a parcel with toys to Rome for 30 dollars.")),
    ).toBe(true);
    for (const { input, target } of take(4, 3000)) {
      expect(input).not.toContain("Summarize");
      expect(manner.some((each) => each.test(target))).toBe(false);
      const dialogue = input.split("\n\n")[1] ?? input;
      expect(held.has(dialogue)).toBe(false);
    }
  });

  it("fill corrupted spans back in to a dialogue", () => {
    const none = Object.fromEntries(Object.keys(TASK_WEIGHTS).map((task) => [task, 0]));
    const only = { ...TASK_WEIGHTS, ...none, spans: 1 };
    const pairs = generatePretraining(9, only);
    for (let i = 0; i < 300; i++) {
      const { input, target } = pairs.next().value;
      const spans = target.split(/<extra_id_\d+>/).slice(1, -1);
      const sentinels = target.match(/<extra_id_\d+>/g) ?? [];
      expect(sentinels).toEqual(sentinels.map((_, k) => `<extra_id_${k}>`));
      expect(sentinels.length).toBeLessThanOrEqual(20);
      const whole = spans.reduce(
        (text, span, k) => text.replace(`<extra_id_${k}>`, () => span),
        input,
      );
      expect(whole.trimStart()).toMatch(/^#Person1#: /);
      expect(whole).not.toContain("extra_id");
    }
  });
});

describe("the example's tokenizer", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.fromPretrained(examples("model"));
  });
  const pieces = (text: string): number[] => tokenizer.encode(text, {}).inputIds[0]!;

  it("is what its script trains, byte for byte", async () => {
    for (const [name, text] of Object.entries(buildTokenizer())) {
      const committed = await readFile(examples(`model/${name}`), "utf8");
      expect(committed === text, `${name}; run makeExample.ts`).toBe(true);
    }
  });

  it("round-trips every text of the example, with few pieces a word", async () => {
    const dict = await loadDataset(examples("data"));
    let words = 0;
    let tokens = 0;
    for (const row of SPLITS.flatMap((split) => dict[split]!.rows)) {
      for (const text of [row["dialogue"]!, row["summary"]!, row["topic"]!]) {
        const ids = pieces(text);
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(oneSpace(text));
        expect(ids.at(-1)).toBe(1);
        expect(ids).not.toContain(2);
        words += oneSpace(text).split(" ").length;
        tokens += ids.length - 1;
      }
    }
    expect(tokens / words).toBeLessThan(1.4);
  });

  it("encodes any ASCII text, and both prompts alike", () => {
    const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");
    for (const text of [ascii, [...ascii].reverse().join(""), "Zebras quiz 1999 (xyz)!"]) {
      expect(pieces(text)).not.toContain(2);
      expect(tokenizer.decode(pieces(text), { skipSpecialTokens: true }).trim()).toBe(
        oneSpace(text),
      );
    }
    const ofTemplate = (template: string) => pieces(fillTemplate(template, { dialogue: "Hi." }));
    expect(ofTemplate(TRAINING_TEMPLATE)).toEqual(ofTemplate(INFERENCE_TEMPLATE));
  });

  it("has T5's special ids, the sentinels last", () => {
    expect(pieces("<pad></s><unk>")).toEqual([0, 1, 2, 1]);
    expect(pieces("<extra_id_0><extra_id_19>")).toEqual([
      VOCABULARY_SIZE - 1,
      VOCABULARY_SIZE - 20,
      1,
    ]);
    expect(pieces("Hello<extra_id_0> there")).toHaveLength(4);
  });
});

describe("trainUnigram", () => {
  it("finds the words of which a text is made", () => {
    const words = new Map([
      ["abcabcabc", 40],
      ["xyabc", 30],
      ["xyxy", 30],
    ]);
    const scores = trainUnigram(words, { size: 7, keep: [..."abcxy"], maxLength: 3 });
    expect([...scores.keys()].slice(0, 2).sort()).toEqual(["abc", "xy"]);
    const total = [...scores.values()].reduce((sum, score) => sum + Math.exp(score), 0);
    expect(total).toBeCloseTo(1, 10);
  });
});
