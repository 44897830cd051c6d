// The fenced code blocks of README.md and docs/guide, and the programs that they make.

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface DocumentBlock {
  /** File and line of the opening fence, as in "README.md:12". */
  readonly place: string;
  readonly file: string;
  readonly language: string;
  readonly code: string;
  /** R of a comment `<!-- not run: R -->` before the fence. */
  readonly notRun: string | undefined;
}

/** README.md, that of the examples and the pages of the guide, relative to the repository. */
export function guidePages(): string[] {
  const guide = join(root, "docs/guide");
  const pages = readdirSync(guide).filter((name) => name.endsWith(".md"));
  return [
    "README.md",
    "examples/README.md",
    ...pages.sort().map((name) => relative(root, join(guide, name))),
  ];
}

export function blocksOf(file: string): DocumentBlock[] {
  return parseBlocks(readFileSync(join(root, file), "utf8"), file);
}

/** The fenced blocks of a Markdown text, in order. */
export function parseBlocks(text: string, file: string): DocumentBlock[] {
  const fence = /(?:<!-- not run: (.*?) -->\n+)?^```(\w*)\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fence)].map((match) => {
    const [whole, notRun, language = "", code = ""] = match;
    const opening = match.index + whole.indexOf("```");
    const line = text.slice(0, opening).split("\n").length;
    return { place: `${file}:${line}`, file, language, code, notRun };
  });
}

/**
 * The TypeScript programs of a page: a block that begins with `import` begins one, and blocks
 * without imports continue it.
 */
export function programsOf(blocks: readonly DocumentBlock[]): DocumentBlock[] {
  const programs: DocumentBlock[] = [];
  for (const block of blocks) {
    if (block.language !== "ts" || block.notRun !== undefined) continue;
    const previous = programs.at(-1);
    if (block.code.startsWith("import ") || previous === undefined) programs.push(block);
    else programs[programs.length - 1] = { ...previous, code: previous.code + block.code };
  }
  return programs;
}

/** What the comments behind `console.log(...);` say that a program prints, in order. */
export function expectedOutput(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((match) => match[1]!);
}
