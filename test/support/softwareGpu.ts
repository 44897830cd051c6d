// Gives machines without a graphics driver one: SwiftShader, which the npm package @sparticuz/chromium carries for Linux
// on x64. Vitest runs this once, before it starts the processes that run tests: the loader reads LD_LIBRARY_PATH
// when a process starts, and never again.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const cache = fileURLToPath(new URL("../../node_modules/.cache/swiftshader", import.meta.url));

export default function setup(): void {
  Object.assign(process.env, softwareGpu());
}

/** The variables that processes with SwiftShader start with; null where there is a driver, or no SwiftShader for the machine. */
export function softwareGpu(): Readonly<Record<string, string>> | null {
  if (process.platform !== "linux" || process.arch !== "x64" || hasDriver()) return null;
  unpack();
  return {
    VK_ICD_FILENAMES: join(cache, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: [cache, process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":"),
  };
}

/** Whether the machine, or whoever started the tests, has a Vulkan driver. */
function hasDriver(): boolean {
  if (process.env["VK_ICD_FILENAMES"] ?? process.env["VK_DRIVER_FILES"]) return true;
  return ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"].some(
    (folder) => existsSync(folder) && readdirSync(folder).length > 0,
  );
}

function unpack(): void {
  if (existsSync(cache)) return;
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  let root = dirname(entry);
  while (!existsSync(join(root, "bin"))) root = dirname(root);
  // Whole or not at all: another run may be unpacking at the same time.
  const partial = `${cache}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const input = brotliDecompressSync(readFileSync(join(root, "bin/swiftshader.tar.br")));
  execFileSync("tar", ["-x", "-C", partial], { input });
  try {
    renameSync(partial, cache);
  } catch (error) {
    if (!existsSync(cache)) throw error;
    rmSync(partial, { recursive: true });
  }
}
