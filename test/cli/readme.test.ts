// The README's library example, run as it stands: what it prints is in its comments.

import { describe, expect, it, vi } from "vitest";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { inspect } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("README", () => {
  it("shows a library example that does what its comments say", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const example = /```ts\n(import [\s\S]*?)```/.exec(readme)![1]!;
    const expected = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(
      (match) => match[1],
    );
    expect(expected).toHaveLength(2);
    const library = pathToFileURL(join(root, "dist/index.js")).href;
    const code = example.replace('"gradloom"', JSON.stringify(library)).replaceAll(")!", ")");
    const folder = await mkdtemp(join(tmpdir(), "gradloom-readme-"));
    const printed: unknown[] = [];
    const log = vi
      .spyOn(console, "log")
      .mockImplementation((value: unknown) => printed.push(value));
    try {
      await writeFile(join(folder, "example.mjs"), code);
      await import(/* @vite-ignore */ join(folder, "example.mjs"));
    } finally {
      log.mockRestore();
      await rm(folder, { recursive: true });
    }
    expect(printed.map((value) => inspect(value))).toEqual(expected);
  });
});
