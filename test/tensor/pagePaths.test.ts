// Names of a page's files: POSIX's rules, as node:path has them.

import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { pagePaths } from "../../src/tensor/files/paths.ts";

describe("paths of pages", () => {
  const names = ["a", "a/b", "/a/b/", "./a", "a/../b", "/a/./b/../c", "a//b", "."];

  it.each(names)("%s has the folder, the last name and the place that node:path gives", (name) => {
    const plain = posix.normalize(name).replace(/(.)\/$/, "$1");
    expect(pagePaths.join(name)).toBe(plain);
    expect(pagePaths.resolve(name)).toBe(posix.resolve("/", name));
    if (name === ".") return;
    expect(pagePaths.dirname(name)).toBe(posix.dirname(plain));
    expect(pagePaths.basename(name)).toBe(posix.basename(plain));
  });

  it("joins, and says how to get from one place to another", () => {
    for (const parts of [
      ["a", "b"],
      ["/a", "../b"],
      ["", "a"],
      ["a", "", "b/"],
    ])
      expect(pagePaths.join(...parts)).toBe(posix.join(...parts).replace(/(.)\/$/, "$1"));
    for (const [from, to] of [
      ["/a/b", "/a/c/d"],
      ["/a", "/a/b"],
      ["/a/b/c", "/d"],
    ] as const)
      expect(pagePaths.relative(from, to)).toBe(posix.relative(from, to));
  });
});
