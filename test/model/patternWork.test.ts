// Which patterns of tokenizer.json are refused before they meet a text.

import { describe, expect, it } from "vitest";
import { unboundedWork } from "../../src/model/tokenization/patternWork.ts";
import { compilePattern } from "../../src/model/tokenization/pattern.ts";

/** Patterns of released tokenizers. */
const KNOWN = {
  T5: " {2,}",
  example: "\\s+",
  "GPT-2": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "Llama 3":
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "o200k, its first way":
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t)?",
  "digits in threes": "\\d{1,3}(?=(?:\\d{3})*\\b)",
  CLIP: "'s|'t|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
};

const HOSTILE = [
  "(a+)+!",
  "(.*)*x",
  "(?:a|a)*b",
  "(?:a?){30}b",
  "(?<x>[a-z]+\\d*)+$",
  "((a{1,2})){2,}b",
  "x(?=(a|ab)+c)",
  "(?:[(]+|b)*!",
  "\\w*\\w*\\w*\\w*!",
];

describe("patterns of tokenizers", () => {
  it.each(Object.entries(KNOWN))("takes those of %s", (_, source) => {
    expect(unboundedWork(source)).toBeNull();
  });

  it.each(HOSTILE)("refuses %s by name", (source) => {
    const description = { type: "Split", pattern: { Regex: source } };
    expect(() => compilePattern(description)).toThrow(
      /^Split: pattern must have (no repetition of a group|at most 3 open repetitions)/,
    );
  });

  it("reads characters that only look like groups and repetitions", () => {
    for (const source of [
      "[(+*]+",
      "\\(a+\\)+",
      "\\p{L}+\\+",
      "(?:abc)+",
      "(?:\\d{3})*",
      "[\\]+]*",
    ])
      expect(unboundedWork(source), source).toBeNull();
  });
});
