// Dependencies point one way: a file imports its own folder or folders above it in this list. Folders on one line are
// neighbours that do not know each other.

import { describe, expect, it } from "vitest";
import { circles, importGraph, roomGraph } from "../../scripts/structure.ts";
import { absolutePath, readSource, sourceFiles } from "../support/sources.ts";

const LAYERS = [
  ["fields", "tensor"],
  ["kernels"],
  ["autograd"],
  ["optim", "testing"],
  ["distributed", "system"],
  ["hub", "generation", "eval"],
  ["model"],
  ["t5"],
  ["data"],
  ["train"],
  ["cli"],
];

const folderOf = (path: string): string => path.split("/")[0]!;
const layerOf = (path: string): number =>
  LAYERS.findIndex((folders) => folders.includes(folderOf(path)));

describe("layers", () => {
  const graph = importGraph(absolutePath("src"));
  const files = [...graph.keys()].filter((path) => path.includes("/"));

  it("finds every folder and knows its layer", () => {
    for (const folder of LAYERS.flat())
      expect(
        files.some((path) => path.startsWith(`${folder}/`)),
        folder,
      ).toBe(true);
    expect(files.filter((path) => layerOf(path) < 0)).toEqual([]);
  });

  it.each(files)("%s imports nothing above it", (path) => {
    const wrong = graph
      .get(path)!
      .filter(
        (target) =>
          layerOf(target) > layerOf(path) ||
          (layerOf(target) === layerOf(path) && folderOf(target) !== folderOf(path)),
      );
    expect(wrong).toEqual([]);
  });

  it("has no circle of files, types included", () => {
    expect(circles(graph)).toEqual([]);
  });

  it("has no circle of rooms inside a folder: a file beside folders, or a folder", () => {
    for (const folder of LAYERS.flat()) {
      const own = [...graph].filter(([path]) => folderOf(path) === folder);
      const inside = new Map(
        own.map(([path, targets]) => [path, targets.filter((to) => folderOf(to) === folder)]),
      );
      expect(circles(roomGraph(inside, (path) => path.split("/")[1]!)), folder).toEqual([]);
    }
  });
});

describe("the graph behind these tests", () => {
  it("reads imports of every form", () => {
    const graph = importGraph(absolutePath("src"));
    // import type over several lines, a new URL for a worker, import() at run time.
    expect(graph.get("kernels/kernel.ts")).toContain("tensor/device.ts");
    expect(graph.get("model/pretrained.ts")).toContain("hub/locate.ts");
    expect(graph.get("index.ts")).toContain("browser.ts");
  });

  it("finds circles of two and of three", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["a", "c"]],
      ["c", ["d"]],
      ["d", ["e"]],
      ["e", ["c"]],
      ["f", ["a"]],
    ]);
    expect(circles(graph).sort()).toEqual([
      ["a", "b"],
      ["c", "d", "e"],
    ]);
  });
});

describe("bench", () => {
  it("is imported by no test support and imports no test", () => {
    for (const path of sourceFiles("bench"))
      expect(readSource(path), path).not.toMatch(/from "(?:\.\.\/)+test\//);
  });
});
