// No op without its tests: each function exported from src/autograd/ops must be described with
// `describeOp`, whose fields (reference result, random cases, constants that matter) cannot be left out,
// beside a reference in test/reference; a composed oracle must be used by a test.

import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { readSource, sourceFiles } from "../support/sources.ts";

const ops = sourceFiles("src/autograd/ops").flatMap((path) =>
  [...readSource(path).matchAll(/^export (?:function|const) (\w+)/gm)].map((match) => ({
    path,
    name: match[1]!,
  })),
);
const tests = sourceFiles("test/autograd").map((path) => ({ path, text: readSource(path) }));

/** Names that a file describes: `name: "..."` inside describeOp, or a table of names it goes through. */
function describes(text: string, name: string): boolean {
  return text.includes("describeOp") && new RegExp(`["']${name}["']|\\b${name}:`).test(text);
}

describe("completeness", () => {
  it("sees the ops", () => {
    expect(ops.length).toBeGreaterThan(25);
  });

  it.each(ops)("$name is tested", ({ path, name }) => {
    const file = basename(path);
    const own = tests.find((test) => basename(test.path) === file.replace(".ts", ".test.ts"));
    expect(own, `test/autograd/${file.replace(".ts", ".test.ts")}`).toBeDefined();
    if (name.endsWith("Composed")) {
      expect(own!.text).toContain(name);
      return;
    }
    expect(describes(own!.text, name), `describeOp of ${name}`).toBe(true);
    expect(sourceFiles("test/reference").map((reference) => basename(reference))).toContain(file);
    expect(own!.text).toContain(`../reference/${file}`);
  });
});
