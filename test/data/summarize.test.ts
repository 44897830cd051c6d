// summarize() is generate() on the prompt of the training data, and buildPrompt() is that prompt.

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  buildPrompt,
  preprocess,
  summarize,
  T5ForConditionalGeneration,
  Tokenizer,
} from "../../src/index.ts";
import { cpu } from "../support/device.ts";
import { absolutePath } from "../support/sources.ts";

const TEXTS = [
  "#Person1#: Shall we meet at six?",
  "#Person1#: Hi.\n#Person2#: Good morning to you.",
];

let model: T5ForConditionalGeneration;
let tokenizer: Tokenizer;
beforeAll(async () => {
  const folder = absolutePath("examples/model");
  model = await T5ForConditionalGeneration.fromPretrained(folder, { device: cpu });
  tokenizer = await Tokenizer.fromPretrained(folder);
});
afterAll(() => model.dispose());

describe("buildPrompt", () => {
  it("is what preprocess reads", async () => {
    const row = { dialogue: TEXTS[1]!, summary: "They greet.", topic: "greeting" };
    const template = "{topic}: {dialogue}";
    for (const columns of [{}, { template }, { sourceColumn: "topic" }]) {
      const [example] = await preprocess({ rows: [row] }, tokenizer, columns);
      const [ids] = tokenizer.encode(buildPrompt(row, columns)).inputIds;
      expect(example!.inputIds).toEqual(ids);
    }
    expect(buildPrompt(row, { template })).toBe(`greeting: ${TEXTS[1]!}`);
  });

  it("takes a text alone where the template has one place", () => {
    expect(buildPrompt("A: {hi}")).toBe(
      "Summarize the following conversation.\n\nA: {hi}\n\nSummary: ",
    );
    expect(buildPrompt("A", { template: "tl;dr {any}" })).toBe("tl;dr A");
    expect(() => buildPrompt("A", { template: "{a} {b}" })).toThrow(
      "buildPrompt: source must be a row with the columns a, b of the template, got a text alone",
    );
  });
});

describe("summarize", () => {
  it("equals prompt, encode, generate and decode", async () => {
    const expected = [];
    for (const text of TEXTS) {
      const inputs = tokenizer.encode(buildPrompt(text));
      const [ids] = await model.generate(inputs, { maxNewTokens: 12, numBeams: 2 });
      expected.push(tokenizer.decode(ids!, { skipSpecialTokens: true }));
    }
    const done: number[] = [];
    const options = { maxNewTokens: 12, numBeams: 2 };
    const onProgress = (count: number): number => done.push(count);
    const settings = { ...options, batchSize: 1, onProgress };
    expect(await summarize(model, tokenizer, TEXTS, settings)).toEqual(expected);
    expect(done).toEqual([1, 2]);
    expect(await summarize(model, tokenizer, TEXTS, options)).toEqual(expected);
    expect(await summarize(model, tokenizer, TEXTS[0]!, options)).toBe(expected[0]);
    expect(await summarize(model, tokenizer, [], options)).toEqual([]);
  });

  it("asks for 200 tokens unless told otherwise, and passes the rest on", async () => {
    const generate = vi.fn(async () => [[0, 1]]);
    const fake = { generate } as unknown as T5ForConditionalGeneration;
    const asked = async (options: Parameters<typeof summarize>[3]): Promise<unknown> => {
      await summarize(fake, tokenizer, "a", options);
      return (generate.mock.lastCall as unknown[])[1];
    };
    expect(await asked({})).toMatchObject({ maxNewTokens: 200, numReturnSequences: 1 });
    expect(await asked({ maxLength: 9 })).toMatchObject({ maxLength: 9, maxNewTokens: undefined });
    expect(await asked({ doSample: true, seed: 3 })).toMatchObject({ doSample: true, seed: 3 });
  });

  it("refuses texts that are none, and a batch of none", async () => {
    const run = (texts: unknown, options = {}) =>
      summarize(model, tokenizer, texts as string, options);
    await expect(run([1, "a"])).rejects.toThrow(
      "summarize: texts must be a string or an array of strings, got number at 0",
    );
    await expect(run(undefined)).rejects.toThrow("got undefined");
    await expect(run("a", { batchSize: 0 })).rejects.toThrow("batchSize must be a whole number");
    await expect(run("a", { template: "no column" })).rejects.toThrow("must name a column");
  });
});
