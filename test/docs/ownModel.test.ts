// docs/guide/your-own-model.md keeps what its headings promise; test/cli/examples.test.ts runs it.

import { expect, it } from "vitest";
import { blocksOf } from "../support/documentBlocks.ts";

const codeLines = (code: string): number =>
  code.split("\n").filter((line) => line.trim() !== "").length;

const blocks = blocksOf("docs/guide/your-own-model.md").filter(({ language }) => language === "ts");

it("XOR takes at most twelve lines", () => {
  const [xor] = blocks;
  expect(xor!.code).toContain("mseLoss");
  expect(codeLines(xor!.code)).toBeLessThanOrEqual(12);
});

it("the transformer takes fewer than 120 lines, training and generation included", () => {
  const model = blocks.filter(({ code }) => /class CharacterModel|const model = new/.test(code));
  expect(model).toHaveLength(2);
  const lines = model.reduce((sum, { code }) => sum + codeLines(code), 0);
  expect(lines).toBeLessThan(120);
});
