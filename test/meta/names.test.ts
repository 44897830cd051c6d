// One name for one thing: a launcher in src/kernels says in its name that it records no gradient, so that an import from the
// wrong folder cannot stop one in silence.

import { describe, expect, it } from "vitest";
import { readSource, sourceFiles } from "../support/sources.ts";

const exported = (path: string): string[] =>
  [...readSource(path).matchAll(/^export (?:async )?(?:function|const) (\w+)/gm)].map(
    ([, name]) => name!,
  );
const ops = new Set(
  [...sourceFiles("src/autograd/ops"), "src/autograd/checkpoint.ts"].flatMap(exported),
);
const kernels = sourceFiles("src/kernels").filter((path) => !path.includes("/wasm/"));

describe("names", () => {
  it("finds the ops", () => {
    expect([...ops]).toEqual(expect.arrayContaining(["add", "matmul", "dropout", "gatherRows"]));
  });

  it.each(kernels)("%s exports nothing with the name of an op", (path) => {
    expect(exported(path).filter((name) => ops.has(name))).toEqual([]);
  });

  const launchers = kernels.flatMap((path) => {
    const functions = readSource(path).split(
      /^(?=export function |function |const |export const )/m,
    );
    return functions
      .filter((text) => text.startsWith("export function ") && /\blaunch\(/.test(text))
      .map((text) => ({ path, name: /^export function (\w+)/.exec(text)![1]! }));
  });

  it("finds the launchers", () => {
    expect(launchers.length).toBeGreaterThan(30);
  });

  it.each(launchers)("$name says that it is a launcher", ({ name }) => {
    // Forward and Backward give new tensors; Into and InPlace write into one that is given.
    if (name === "launch") return;
    expect(name).toMatch(/(?:Forward|Backward\w*|Into|InPlace)$/);
  });
});
