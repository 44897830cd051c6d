// No op without its tests: each function exported from src/autograd/ops, and checkpoint, must be described with
// `describeOp`, whose fields (reference result, random cases, constants that matter) cannot be left out,
// beside a reference in test/reference; a composed oracle must be used by a test.

// A kernel that no op uses is held to the same: a test that compares it with its reference on random cases.

import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { readSource, sourceFiles } from "../support/sources.ts";

const ops = [...sourceFiles("src/autograd/ops"), "src/autograd/checkpoint.ts"].flatMap((path) =>
  [...readSource(path).matchAll(/^export (?:function|const) (\w+)/gm)].map((match) => ({
    path,
    name: match[1]!,
  })),
);
const tests = sourceFiles("test").map((path) => ({ path, text: readSource(path) }));
const references = sourceFiles("test/reference").map((path) => basename(path));

/** Names that a file describes: `name: "..."` inside describeOp, or a table of names it goes through. */
function describes(text: string, name: string): boolean {
  return text.includes("describeOp") && new RegExp(`["']${name}["']|\\b${name}:`).test(text);
}

describe("ops", () => {
  it("are seen", () => {
    expect(ops.length).toBeGreaterThan(25);
  });

  it.each(ops)("$name is tested", ({ path, name }) => {
    const file = basename(path);
    const test = `test/autograd/${file.replace(".ts", ".test.ts")}`;
    const own = tests.find((each) => each.path === test);
    expect(own, test).toBeDefined();
    if (name.endsWith("Composed")) {
      expect(own!.text).toContain(name);
      return;
    }
    expect(describes(own!.text, name), `describeOp of ${name}`).toBe(true);
    expect(references).toContain(file);
    expect(own!.text).toContain(`../reference/${file}`);
  });
});

describe("kernels that no op uses", () => {
  const used = sourceFiles("src/autograd/ops").map(readSource).join("\n");
  const alone = sourceFiles("src/kernels")
    .filter((path) => readSource(path).includes("= defineKernel("))
    .filter((path) => !used.includes(path.slice(4)));

  it("are seen", () => {
    expect(alone).toContain("src/kernels/rows/argmax.ts");
  });

  it.each(alone)("%s is tested", (path) => {
    const file = basename(path);
    const exported = [...readSource(path).matchAll(/^export function (\w+)/gm)].map(
      ([, name]) => name!,
    );
    expect(exported).not.toEqual([]);
    for (const name of exported) {
      const own = tests.filter(
        ({ text }) =>
          text.includes(`src/${path.slice(4)}`) && new RegExp(`\\b${name}\\b`).test(text),
      );
      const compared = own.filter(
        ({ text }) => describes(text, name) || text.includes("fc.assert("),
      );
      expect(
        compared.map((test) => test.path),
        `property test of ${name}`,
      ).not.toEqual([]);
      const oracle = /reference\/\w+\.ts/;
      expect(
        compared.some(({ text }) => oracle.test(text)),
        `reference of ${name} in ${file}`,
      ).toBe(true);
    }
  });
});
