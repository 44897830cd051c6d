// Every relative link of the documents leads to a file that is there and, with #, to a heading of it; every page
// of docs that source code names exists.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../support/documentBlocks.ts";

describe("documents", () => {
  it("link to files and headings that exist", () => {
    expect(documents().flatMap((file) => brokenLinks(file, read(file)))).toEqual([]);
  });

  it("are there when source code names them", () => {
    const missing = ["src", "test", "bench", "scripts"].flatMap((folder) =>
      filesBelow(folder, /\.(ts|mjs)$/).flatMap((file) =>
        [...read(file).matchAll(/(?<![\w/])docs\/(?!dawn\/)[\w/-]+\.md\b/g)]
          .filter(([page]) => !existsSync(join(root, page)))
          .map(([page]) => `${file}: ${page}`),
      ),
    );
    expect(missing).toEqual([]);
  });

  it("are checked for files, headings and images", () => {
    const text = [
      "# One `two`, three!",
      "[a](README.md) [b](#one-two-three) [c](https://example.org/x) ![d](docs/images/report.png)",
      "[e](missing.md) [f](#four) [g](LICENSE#x) ![h](docs/images/none.png)",
      "```sh\n# no heading\n[i](in-code.md)\n```",
      "[j](#no-heading)",
    ].join("\n");
    expect(brokenLinks("README.md", text)).toEqual([
      "README.md: missing.md",
      "README.md: #four",
      "README.md: LICENSE#x",
      "README.md: docs/images/none.png",
      "README.md: #no-heading",
    ]);
  });
});

/** Markdown files at the top and below docs. */
function documents(): string[] {
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  return [...top, ...filesBelow("docs", /\.md$/)];
}

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes("node_modules"));
}

function brokenLinks(file: string, text: string): string[] {
  const prose = withoutCode(text).replace(/`[^`\n]*`/g, "");
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target) && !resolves(file, text, target))
    .map((target) => `${file}: ${target}`);
}

function resolves(file: string, text: string, target: string): boolean {
  const [path = "", anchor] = target.split("#");
  const linked = path === "" ? file : join(dirname(file), path);
  if (!existsSync(join(root, linked))) return false;
  if (anchor === undefined) return true;
  if (!linked.endsWith(".md") || !statSync(join(root, linked)).isFile()) return false;
  return headingAnchors(path === "" ? text : read(linked)).includes(anchor);
}

/** The anchors that GitHub gives to the headings of a page. */
function headingAnchors(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(text).matchAll(/^#{1,6} (.*)$/gm)].map((match) => {
    const title = match[1]!.replace(/\]\([^)]*\)/g, "");
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, "");
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
