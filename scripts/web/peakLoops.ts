// A Vite plugin: the module `virtual:peak-loops` holds the benches' loops of multiply-adds, which say what a device can do at
// best: in WGSL, and in WebAssembly, which AssemblyScript compiles while the page is built.

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import type { Plugin } from "vite";
import { WGSL_SUMS, wgslMultiplyAdd, wasmMultiplyAdd } from "../../bench/peaks/multiplyAdd.ts";

const NAME = "virtual:peak-loops";
/** Independent sums of a loop: few cannot hide the latency of an addition, many do not fit the registers. */
const SUMS = [8, 10, 12, 14];

type Variant = "relaxed" | "simd";

export function peakLoops(): Plugin {
  return {
    name: "peak-loops",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    async load(id) {
      if (id !== `\0${NAME}`) return null;
      const modules = { relaxed: await compile("relaxed"), simd: await compile("simd") };
      const wgsl = { sums: WGSL_SUMS, source: wgslMultiplyAdd };
      const values = { SUMS, MODULES: modules, WGSL: wgsl };
      const lines = Object.entries(values).map(
        ([name, value]) => `export const ${name} = ${JSON.stringify(value)};`,
      );
      return lines.join("\n");
    },
  };
}

/** @returns the module in base64 */
async function compile(variant: Variant): Promise<string> {
  const text = SUMS.map((count) => wasmMultiplyAdd(variant === "relaxed", count)).join("\n");
  const options = {
    ...{ optimizeLevel: 3, runtime: "stub", noAssert: true, initialMemory: 1 },
    enable: variant === "relaxed" ? ["simd", "relaxed-simd"] : ["simd"],
  } as const;
  return cached(JSON.stringify([asc.version, options, text]), async () => {
    const { error, binary, stderr } = await asc.compileString(text, {
      ...options,
      enable: [...options.enable],
    });
    if (error || !binary) throw new Error(`peak loops do not compile: ${stderr.toString()}`);
    return Buffer.from(binary).toString("base64");
  });
}

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/peak-loops", import.meta.url));

/** What `make` gave for the same key in a build of before: the compiler takes seconds. */
async function cached(key: string, make: () => Promise<string>): Promise<string> {
  const path = join(CACHE, createHash("sha256").update(key).digest("hex"));
  const found = await readFile(path, "utf8").catch(() => null);
  if (found !== null) return found;
  const made = await make();
  await mkdir(CACHE, { recursive: true });
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, made);
  await rename(partial, path);
  return made;
}
