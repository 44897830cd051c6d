// The layers of the page: views draw state, the worker computes, and both sides know no more of each other than the protocol.

import { describe, expect, it } from "vitest";
import { readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path/posix";
import { absolutePath, readSource } from "../support/sources.ts";

/** What files of a folder may import: folders of web, and packages. */
const ALLOWED: Readonly<Record<string, { folders: readonly string[]; packages: RegExp }>> = {
  protocol: { folders: ["protocol"], packages: /^$/ },
  worker: {
    folders: ["protocol", "worker"],
    packages: /^(gradloom(\/kernels)?|fflate|virtual:peak-loops)$/,
  },
  state: { folders: ["protocol", "state"], packages: /^@preact\/signals$/ },
  // What is drawn may be computed of the state's signals, and then changes without drawing the rest.
  views: {
    folders: ["protocol", "state", "views"],
    packages: /^(preact(\/hooks)?|@preact\/signals)$/,
  },
};

const files = readdirSync(absolutePath("web"), { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => /\.tsx?$/.test(path) && path.split("/")[0]! in ALLOWED);

function importsOf(path: string): string[] {
  const text = readSource(`web/${path}`);
  return [...text.matchAll(/(?:from|import|new URL\() ?"([^"]+)"/g)].map(([, name]) => name!);
}

describe("the page's folders", () => {
  it("are all known", () => {
    expect([...new Set(files.map((path) => path.split("/")[0]))].sort()).toEqual(
      Object.keys(ALLOWED).sort(),
    );
  });

  it.each(files)("%s imports what its folder may", (path) => {
    const { folders, packages } = ALLOWED[path.split("/")[0]!]!;
    const wrong = importsOf(path).filter((name) => {
      if (!name.startsWith(".")) return !packages.test(name);
      const target = normalize(join(dirname(path), name));
      const isExample = target.startsWith("../examples/") && path === "worker/example.ts";
      return !isExample && !folders.includes(target.split("/")[0]!);
    });
    // client.ts starts the worker: an address, not an import of its code.
    const known = path === "state/client.ts" ? ["../worker/main.ts"] : [];
    expect(wrong).toEqual(known);
  });

  it.each(files)("%s has at most 250 lines", (path) => {
    expect(readSource(`web/${path}`).split("\n").length).toBeLessThanOrEqual(250);
  });
});
