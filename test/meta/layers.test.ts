// Dependencies point one way: a file imports its own folder or folders to the left of it.

import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { readSource, sourceFiles } from "../support/sources.ts";

const LAYERS = ["tensor", "kernels", "autograd", "t5", "eval", "train", "cli"];

function layerOf(path: string): number {
  return LAYERS.indexOf(path.split("/")[1]!);
}

describe("layers", () => {
  const files = sourceFiles("src").filter((path) => !/^src\/(index|browser)\.ts$/.test(path));

  it("finds every folder", () => {
    for (const layer of LAYERS)
      expect(files.some((path) => path.startsWith(`src/${layer}/`))).toBe(true);
    expect(files.filter((path) => layerOf(path) < 0)).toEqual([]);
  });

  it.each(files)("%s imports nothing to its right", (path) => {
    const imported = [...readSource(path).matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(
      (match) => posix.join(posix.dirname(path), match[1]!),
    );
    const wrong = imported.filter((target) => layerOf(target) > layerOf(path));
    expect(wrong).toEqual([]);
  });
});
