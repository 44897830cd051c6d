// What the processor can do at best: multiply-adds in registers, and copies of sizes that caches hold and of one that none
// holds. Both are loops in WebAssembly SIMD, as the kernels are, one a thread, all at the same time; the fastest run counts.

import asc from "assemblyscript/asc";
import { Worker } from "node:worker_threads";
import { compileRelaxed, type WasmVariant } from "../../src/kernels/wasm/load.ts";
import { compileUnder } from "../../src/kernels/wasm/v8Flags.ts";
import { inPairs } from "../../src/kernels/wasm/vectorPairs.ts";
import { wasmMultiplyAdd } from "./multiplyAdd.ts";
import type { CopyRate, Peaks } from "./peaks.ts";

/**
 * Independent sums in a loop: few cannot hide the latency of an addition, many do not fit the registers. A loop that keeps its
 * factors Node 24 turns into code of less than half the speed.
 */
const SUMS = [8, 10, 12, 13, 14];
/** Bytes that a thread copies, the smallest of them into its first cache; of the last no cache holds much. */
const COPIES = [2 ** 12, 2 ** 15, 2 ** 17, 2 ** 19, 2 ** 21, 2 ** 23, 2 ** 25];
const COPIED = COPIES.at(-1)!;
/** Bytes of a timed run: small copies are repeated. */
const TIMED = 2 ** 22;
const SECONDS = 0.2;

/** `wasmMultiplyAdd` in pairs of vectors, which V8 joins where what they end in is stored side by side, as the kernels do. */
function multiplyAddPairs(count: number): string {
  const sums = Array.from({ length: count }, (_, i) => `a${i}`);
  return `
export function multiplyAdd${count}(rounds: i32): void {
  ${sums.map((a, i) => `let ${a}x = v128.load(${32 * i}), ${a}y = v128.load(${32 * i}, 16);`).join("\n")}
  for (let i = 0; i < rounds; i++) {
    const at = <usize>(i & 63) << 5;
    const v = v128.load_splat<f32>(at), bx = v128.load(at), by = v128.load(at, 16);
    ${sums.map((a) => `${a}x = v128.relaxed_madd<f32>(v, bx, ${a}x); ${a}y = v128.relaxed_madd<f32>(v, by, ${a}y);`).join("\n")}
  }
  ${sums.map((a, i) => `v128.store(${4096 + 32 * i}, ${a}x); v128.store(${4096 + 32 * i}, ${a}y, 16);`).join("\n")}
}`;
}

const worker = `
const { parentPort, workerData } = require("node:worker_threads");
const { module, seconds, rounds, copies, timed, start, sums } = workerData;
const { exports } = new WebAssembly.Instance(module);
function rate(run, work) {
  const end = performance.now() + 1000 * seconds;
  let fastest = Infinity;
  // The first runs touch the pages; on a busy machine the time is up before one has run undisturbed.
  for (let runs = 0, begun = performance.now(); runs < 10 || begun < end; begun = performance.now()) {
    run();
    runs++;
    fastest = Math.min(fastest, performance.now() - begun);
  }
  return work / (fastest / 1000);
}
const flops = Math.max(...sums.map((count) =>
  rate(() => exports["multiplyAdd" + count](rounds), 2 * workerData.lanes * count * rounds)));
Atomics.add(start, 0, 1);
Atomics.notify(start, 0);
for (let seen; (seen = Atomics.load(start, 0)) < workerData.threads;) Atomics.wait(start, 0, seen);
const rates = copies.map((copied) => {
  const times = Math.max(1, Math.floor(timed / copied));
  return rate(() => exports.copy(copied, times), 2 * copied * times);
});
parentPort.postMessage({ flops, rates });
`;

async function compile(variant: WasmVariant): Promise<WebAssembly.Module> {
  const loops = SUMS.map((count) =>
    variant === "wide" ? multiplyAddPairs(count) : wasmMultiplyAdd(variant === "relaxed", count),
  );
  const copy =
    "export function copy(bytes: i32, times: i32): void { for (let i = 0; i < times; i++) memory.copy(0, bytes, bytes); }";
  const { error, binary, stderr } = await asc.compileString([...loops, copy].join("\n"), {
    optimizeLevel: 3,
    runtime: "stub",
    noAssert: true,
    enable: ["simd", "relaxed-simd", "bulk-memory"],
    initialMemory: (2 * COPIED) / 65536,
  });
  if (error || !binary) throw new Error(`bench: the peaks do not compile: ${stderr.toString()}`);
  const bytes = Uint8Array.from(binary);
  return variant === "wide" ? compileUnder(inPairs, bytes) : compileRelaxed(bytes);
}

/** What a worker measures. */
interface ThreadPeaks {
  readonly flops: number;
  /** Bytes/s of each of COPIES. */
  readonly rates: readonly number[];
}

/** FLOP/s and bytes/s of all threads together. */
export async function measureCpuPeaks(threads: number, variant: WasmVariant): Promise<Peaks> {
  const module = await compile(variant);
  const lanes = variant === "wide" ? 8 : 4;
  const start = new Int32Array(new SharedArrayBuffer(4));
  const data = {
    ...{ module, lanes, threads, start, sums: SUMS, seconds: SECONDS },
    ...{ rounds: 20_000, copies: COPIES, timed: TIMED },
  };
  const rates = await Promise.all(
    Array.from({ length: threads }, () => {
      const thread = new Worker(worker, { eval: true, workerData: data });
      return new Promise<ThreadPeaks>((resolve, reject) => {
        thread.once("message", resolve);
        thread.once("error", reject);
      });
    }),
  );
  const copies = COPIES.map((copied, i): CopyRate => {
    const rate = rates.reduce((sum, thread) => sum + thread.rates[i]!, 0);
    return { bytes: 2 * copied * threads, rate };
  });
  return {
    flops: rates.reduce((sum, { flops }) => sum + flops, 0),
    bytes: copies.at(-1)!.rate,
    copies,
  };
}
