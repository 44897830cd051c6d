// What the pages about the inside of gradloom name is there: files of the repository, and other pages.

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { pageSteps } from "../support/pageSteps.ts";
import { absolutePath, readSource } from "../support/sources.ts";

const FOLDER = "docs/internals";
const pages = readdirSync(absolutePath(FOLDER), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => join(FOLDER, name));

/** Files that a reader of adding-an-op.md makes. */
const made = new Set(
  pageSteps(readSource(join(FOLDER, "adding-an-op.md"))).map(({ path }) => path),
);

describe("pages of docs/internals", () => {
  it("are seen", () => {
    expect(pages).toContain("docs/internals/architecture.md");
    expect(pages).toContain("docs/internals/measurements/cpu.md");
  });

  it.each(pages)("%s names files that exist", (page) => {
    const named = readSource(page).matchAll(
      /(?<![\w/.-])(?:src|test|bench|scripts)\/[\w/.-]*\w\.(?:ts|mjs|py|json)\b/g,
    );
    const missing = [...named]
      .map(([path]) => path)
      .filter((path) => !made.has(path) && !existsSync(absolutePath(path)));
    expect(missing).toEqual([]);
  });

  it.each(pages)("%s links to headings that exist", (page) => {
    const links = [...readSource(page).matchAll(/\]\(([^)#:\s]*\.md)?(#[\w-]+)?\)/g)];
    const broken = links.filter(([, file, heading]) => {
      const target = file ? join(dirname(page), file) : page;
      if (!existsSync(absolutePath(target))) return true;
      return heading !== undefined && !anchors(readSource(target)).includes(heading.slice(1));
    });
    expect(broken.map(([text]) => text)).toEqual([]);
  });
});

/** The anchors that GitHub gives a page's headings. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}
