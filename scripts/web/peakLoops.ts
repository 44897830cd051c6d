// A Vite plugin: the module `virtual:peak-loops` holds loops of multiply-adds in WebAssembly, which say what the processor
// can do at best. AssemblyScript compiles them while the page is built.

import asc from "assemblyscript/asc";
import type { Plugin } from "vite";

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
      return `export const SUMS = ${JSON.stringify(SUMS)};\nexport const MODULES = ${JSON.stringify(modules)};`;
    },
  };
}

/** @returns the module in base64 */
async function compile(variant: Variant): Promise<string> {
  const text = SUMS.map((count) => loop(variant, count)).join("\n");
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

/** multiplyAddN(rounds): every round loads its factors, as the kernels do. */
function loop(variant: Variant, count: number): string {
  const sums = Array.from({ length: count }, (_, i) => `a${i}`);
  const step = (a: string): string =>
    variant === "relaxed"
      ? `${a} = v128.relaxed_madd<f32>(${a}, x, y);`
      : `${a} = f32x4.add(f32x4.mul(${a}, x), y);`;
  return `
export function multiplyAdd${count}(rounds: i32): f32 {
  ${sums.map((a, i) => `let ${a} = f32x4.splat(${i}.5);`).join(" ")}
  for (let i = 0; i < rounds; i++) {
    const at = <usize>(i & 63) << 5;
    const x = v128.load(at), y = v128.load(at, 16);
    ${sums.map(step).join(" ")}
  }
  ${sums
    .slice(1)
    .map((a) => `a0 = f32x4.add(a0, ${a});`)
    .join(" ")}
  return f32x4.extract_lane(a0, 0);
}`;
}
