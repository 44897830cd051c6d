// What the npm package @sparticuz/chromium carries for Linux on x64: a headless Chromium with its libraries, and SwiftShader.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

/** What tests unpack stays until packages are installed anew. */
export function cacheFolder(name: string): string {
  return fileURLToPath(new URL(`../../node_modules/.cache/${name}`, import.meta.url));
}

/** Fills `folder` unless it is there: whole or not at all, since another run may be doing so at the same time. */
export function fillOnce(folder: string, fill: (partial: string) => void): void {
  if (existsSync(folder)) return;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  fill(partial);
  try {
    renameSync(partial, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(partial, { recursive: true });
  }
}

/** The content of a file of the package. @param name without .br */
export function packedFile(name: string): Buffer {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  let root = dirname(entry);
  while (!existsSync(join(root, "bin"))) root = dirname(root);
  return brotliDecompressSync(readFileSync(join(root, `bin/${name}.br`)));
}

/** Unpacks an archive of the package. @param name without .br */
export function unpackArchive(name: string, folder: string): void {
  execFileSync("tar", ["-x", "-C", folder], { input: packedFile(name) });
}
