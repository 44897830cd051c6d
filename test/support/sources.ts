// The repository's own source files, for tests about the code itself.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join, relative } from "node:path";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Paths of the .ts files below a folder, relative to the repository. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/wasm\/(assembly|generated)\//.test(path));
}

export function readSource(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function absolutePath(path: string): string {
  return join(root, path);
}
