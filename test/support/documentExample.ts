// Runs the library example of a Markdown file as it stands, against dist/: what it prints is in its comments.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { vi } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What the first complete example of the file prints, and what its comments say that it prints. */
export async function runDocumentExample(
  file: string,
): Promise<{ readonly printed: string[]; readonly expected: string[] }> {
  const text = await readFile(join(root, file), "utf8");
  const example = /```ts\n(import [\s\S]*?)```/.exec(text)![1]!;
  const expected = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(
    (match) => match[1]!,
  );
  const library = pathToFileURL(join(root, "dist/index.js")).href;
  const code = example
    .replace('"gradloom"', JSON.stringify(library))
    .replaceAll(")!", ")")
    .replaceAll('"examples/', JSON.stringify(join(root, "examples/")).slice(0, -1));
  const folder = await mkdtemp(join(tmpdir(), "gradloom-example-"));
  const printed: string[] = [];
  const log = vi
    .spyOn(console, "log")
    .mockImplementation((value: unknown) => printed.push(inspect(value)));
  try {
    await writeFile(join(folder, "example.mjs"), code);
    await import(/* @vite-ignore */ join(folder, "example.mjs"));
  } finally {
    log.mockRestore();
    await rm(folder, { recursive: true });
  }
  return { printed, expected };
}
