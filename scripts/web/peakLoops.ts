// A Vite plugin: the module `virtual:peak-loops` holds the benches' loops of multiply-adds, which say what a device can do at
// best: in WGSL, and in WebAssembly, which AssemblyScript compiles while the page is built.

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
  const { error, binary, stderr } = await asc.compileString(text, {
    optimizeLevel: 3,
    runtime: "stub",
    noAssert: true,
    enable: variant === "relaxed" ? ["simd", "relaxed-simd"] : ["simd"],
    initialMemory: 1,
  });
  if (error || !binary) throw new Error(`peak loops do not compile: ${stderr.toString()}`);
  return Buffer.from(binary).toString("base64");
}
