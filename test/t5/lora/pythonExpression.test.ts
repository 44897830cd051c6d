// Python's regular expressions: each verdict is that of Python 3.11's re.fullmatch.

import { describe, expect, it } from "vitest";
import { pythonFullMatch, pythonMatch } from "../../../src/t5/lora/pythonExpression.ts";

const NAMES = [
  "encoder.block.0.layer.0.SelfAttention.q",
  "encoder.block.0.layer.0.SelfAttention.v",
  "decoder.block.11.layer.1.EncDecAttention.q",
  "decoder.block.1.layer.2.DenseReluDense.wi_0",
  "lm_head",
];

/** An expression, and which of the names it means. */
const READ = [
  [".*\\.(?P<part>q|v)", "11100"],
  ["(?i).*\\.(Q|V)", "11100"],
  [".*\\.(q|v)\\Z", "11100"],
  ["\\A.*q$", "10100"],
  ["(?s)(?i).*\\.WI_0", "00010"],
  [".*\\.[]q]", "10100"],
  [".*\\.[^]v]", "10100"],
  [".*block\\.\\d{,1}\\..*", "11010"],
  [".*block\\.\\d{2}\\..*", "00100"],
  [".*block\\.\\d{2,}\\..*", "00100"],
  ["(?#attention).*(?:Self|EncDec)Attention\\.q", "10100"],
  [".*(?<!EncDec)Attention\\.q", "10000"],
  ["lm_head|.*wi_[01]", "00011"],
  [".*\\.\\w+?\\.q", "10100"],
  [".*\\x71", "10100"],
  ["(?ai).*SELFATTENTION\\.[^q]", "01000"],
  ["lm{0,1}_head{}?|lm_head", "00001"],
  [".*[\\.]q\\b", "10100"],
  ["(?=enc).*v", "01000"],
  [".*{", "00000"],
  [".*\\Bq|lm_\\u0068ead", "00001"],
  ["(?m)^.*v$", "01000"],
] as const;

/** What Python refuses, and what it reads that JavaScript does not have or reads otherwise. */
const REFUSED = [
  "\\q",
  "a)(b",
  "(?<x>q)",
  "(?P<x>a)(?P=x)",
  "(?P<x>a)?\\1",
  "(?x) a",
  "[\\B]",
  "a**",
  "(?L)a",
  "a{2}+",
  "a++",
  "(?>a)",
  "(a)(?(1)a|b)",
  "\\N{DIGIT ONE}",
  "\\p{L}",
  "\\k<x>",
  "(",
  "[a",
  "*a",
  "\\",
  "\\c",
  "x(?i)y",
  "\\x7",
  "\\012",
];

describe("an expression of Python's", () => {
  it.each(READ)("%s means what it does there: %s", (source, verdicts) => {
    const expression = pythonFullMatch(source);
    expect(NAMES.map((name) => Number(expression.test(name))).join("")).toBe(verdicts);
  });

  it.each(REFUSED)("is refused: %s", (source) => {
    expect(() => pythonFullMatch(source)).toThrow(SyntaxError);
  });

  it("matches at the beginning only", () => {
    expect(pythonMatch("block|lm").test("encoder.block.0")).toBe(false);
    expect(pythonMatch("block|encoder").test("encoder.block.0")).toBe(true);
  });
});
