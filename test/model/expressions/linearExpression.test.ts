// Regular expressions of files in linear time: the verdicts of Python's re, and no expression that takes long.

import { describe, expect, it } from "vitest";
import { LinearExpression } from "../../../src/model/expressions/linearExpression.ts";
import { isFull } from "../../support/full.ts";
import { pythonWith, runPython } from "../../support/python.ts";
import { uniform } from "../../support/random.ts";

describe("an expression that takes JavaScript exponential or high polynomial time", () => {
  it.each([
    "(.+)+!",
    "(a+)+$b",
    "(a|a)*b",
    "(a*)*b",
    "(.*)*(.*)*(.*)*(.*)*!",
    "(?:a?){100}a{100}b",
    "(?=(a+)+!).*|(?<!a)(?!(?:(?!(a+)+b).)+)x",
    "((((((a*)*)*)*)*)*)*b",
  ])("%s ends at once", (source) => {
    const expression = new LinearExpression(source);
    const begin = process.cpuUsage().user;
    expect(expression.test("a".repeat(300))).toBe(false);
    expect(process.cpuUsage().user - begin).toBeLessThan(1e6);
  });

  const refused: readonly (readonly [source: string, message: string])[] = [
    ["(a{1000}){1000}", "more than 4000 steps"],
    ["(){1000}".repeat(10), "more than 4000 steps"],
    ["a{1001}", "{1001} of more than 1000"],
    ["(".repeat(20_000), "groups more than 50 deep"],
    ["[".repeat(20_000), "[ without ]"],
    ["(?:".repeat(60) + ")".repeat(60), "groups more than 50 deep"],
    ["(?<=a+)b", "a look behind that is not of one length"],
    ["[b-a]", "a range from a later"],
    ["^*", "* with nothing to repeat"],
    ["(?P<x>a)(?P<x>b)", "two groups called x"],
  ];

  it("is refused where it would take more than its length says", () => {
    for (const [source, message] of refused)
      expect(() => new LinearExpression(source), message).toThrow(message);
  });
});

describe("a match", () => {
  it.each([
    ["(?:^|.*?\\.)block\\.(?P<idx>\\d+)\\.", "encoder.block.11.layer.0.q", "11"],
    [".*?\\.[^.]*\\.(?P<idx>\\d+)\\.", "encoder.block.3.layer.7.q", "3"],
    [".*\\.[^.]*\\.(?P<idx>\\d+)\\.", "encoder.block.3.layer.7.q", "7"],
    ["(?:(?P<idx>\\d)|x)*", "1x2x", "2"],
    ["(?P<idx>a)?b", "b", undefined],
  ])("of %s gives the groups that Python gives", (source, text, idx) => {
    expect(new LinearExpression(source).exec(text)!.groups["idx"]).toBe(idx);
  });

  it("takes characters beyond U+FFFF for one, and letters in Python's sense", () => {
    expect(new LinearExpression(".\\Z").test("𝒳")).toBe(true);
    expect(new LinearExpression("[𝒳-𝒵]\\Z").test("𝒴")).toBe(true);
    expect(new LinearExpression("\\w\\W\\d\\s").test("é-٣\u001c")).toBe(true);
    expect(new LinearExpression("(?i)ÉX[a-c]").test("éxB")).toBe(true);
  });
});

/** Random expressions of what is read, over the letters of the texts. */
function randomExpression(next: () => number, depth = 0): string {
  const pick = (items: readonly string[]) => items[Math.floor(next() * items.length)]!;
  const atom = (): string => {
    const inner = () => randomExpression(next, depth + 1);
    if (depth < 3 && next() < 0.35)
      return pick(["(", "(?:", "(?=", "(?!", "(?i:", "(?-i:"]) + inner() + ")";
    return pick([
      "a",
      "b",
      ".",
      "[ab]",
      "[^a]",
      "[a-c]",
      "\\.",
      "\\d",
      "\\w",
      "\\b",
      "\\B",
      "^",
      "$",
      "(?<=a)",
      "(?<!b)",
      "B",
      "\\W",
      "1",
    ]);
  };
  const part = (): string =>
    atom() +
    (next() < 0.4 ? pick(["*", "+", "?", "*?", "+?", "{2}", "{1,3}", "{,2}", "{1,}?", "{"]) : "");
  const sequence = () => Array.from({ length: Math.floor(next() * 4) }, part).join("");
  return next() < 0.3 ? `${sequence()}|${sequence()}` : sequence();
}

const python = isFull ? pythonWith("json") : undefined;

describe.skipIf(python === undefined)("Python's re", () => {
  it("says the same of 8,000 random expressions", async () => {
    const next = uniform(11);
    const sources = Array.from({ length: 8_000 }, () => randomExpression(next));
    const texts = ["a", "b", "ab", "ba.1", "a.b.A", "aab1a", "Ab.\n", "abcabc"];
    const script = `
import json, os, re, warnings
warnings.simplefilter("ignore")
sources, texts = json.load(open(os.environ["INPUT"]))
def verdict(source):
  try: expression = re.compile(source)
  except re.error: return None
  found = [expression.match(text) for text in texts]
  return [[-1 if m is None else m.end() for m in found], [expression.fullmatch(text) is not None for text in texts]]
print(json.dumps([verdict(source) for source in sources], separators=(',', ':')))`;
    const { mkdtemp, rm, writeFile } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const folder = await mkdtemp(`${tmpdir()}/gradloom-re-`);
    await writeFile(`${folder}/in.json`, JSON.stringify([sources, texts]));
    const verdicts = (await runPython(python!, script, { INPUT: `${folder}/in.json` })) as (
      [number[], boolean[]] | null
    )[];
    await rm(folder, { recursive: true });
    let read = 0;
    for (const [i, source] of sources.entries()) {
      const verdict = verdicts[i]!;
      if (verdict === null) {
        expect(() => new LinearExpression(source), source).toThrow(SyntaxError);
        continue;
      }
      read++;
      const expression = new LinearExpression(source);
      const lengths = texts.map((text) => expression.exec(text)?.length ?? -1);
      const isFound = (length: number) => length >= 0;
      expect(lengths.map(isFound), source).toEqual(verdict[0].map(isFound));
      // How often an alternative that takes nothing is repeated, no name of a layer tells.
      if (!source.includes("|")) expect(lengths, source).toEqual(verdict[0]);
      const whole = new LinearExpression(`(?:${source})\\Z`);
      expect(
        texts.map((text) => whole.test(text)),
        source,
      ).toEqual(verdict[1]);
    }
    expect(read).toBeGreaterThan(3000);
  });
});
