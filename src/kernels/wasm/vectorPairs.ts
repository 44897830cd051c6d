// Vectors of 256 bits for WebAssembly, which has 128: V8's optimising compiler joins pairs of vector operations that lie side by
// side ("revectorization", flag --experimental-wasm-revectorize) where the processor has AVX2. The flag is off by default and
// V8 calls it experimental, so it is on only while these kernels are compiled, in versions that this package's tests ran with,
// and what comes out is used only if it multiplies matrices rightly and clearly faster than without the flag.

import type { WasmKernels } from "../../tensor/cpuKernels.ts";
import { createMemory, leaveMemory } from "../../tensor/memoryPool.ts";
import { F32, GEMM_SCRATCH } from "./generated/constants.ts";
import { compileUnder, mayFlag, type Flags } from "./v8Flags.ts";

/** V8 of Node 24, 25 and 26. That of Node 22 has the flag, and leaves these kernels as they are. */
const TESTED = ["13.6.", "14.1.", "14.6."];

/**
 * The optimising compiler at once, instead of function by function when each has run often. V8 14 inlines by what it saw run, which is
 * nothing yet, and ends the process: no inlining before anything else.
 */
const single: Flags = {
  on: ["--no-wasm-inlining", "--no-wasm-lazy-compilation", "--no-liftoff"],
  off: ["--liftoff", "--wasm-lazy-compilation", "--wasm-inlining"],
};
/** Joins pairs of vectors. */
export const inPairs: Flags = {
  on: [...single.on, "--experimental-wasm-revectorize"],
  off: ["--no-experimental-wasm-revectorize", ...single.off],
};

/** Pairs must be this much faster; they are 2.4 times. What has no pairs keeps more vectors than the processor has registers. */
const CLEARLY = 1.5;

type Bind = (module: WebAssembly.Module, memory: WebAssembly.Memory) => Promise<WasmKernels>;

/**
 * @param load is called where V8 may join pairs: nobody else needs the bytes, and a page would download them
 * @returns kernels in vectors of 256 bits; null where they would not be, or not be right
 */
export async function compileInPairs(
  load: () => Promise<Uint8Array<ArrayBuffer>>,
  bind: Bind,
): Promise<WebAssembly.Module | null> {
  if (!mayFlag(TESTED) || process.arch !== "x64") return null;
  const bytes = await load();
  const module = await compileUnder(inPairs, bytes);
  const paired = await timeProduct(module, bind);
  // V8 finds compiled code again by its bytes: with a section that says nothing it is other code.
  const others = Uint8Array.of(...bytes, ...[0, 3, 2, 0x31, 0x32]);
  const plain = await timeProduct(await compileUnder(single, others), bind);
  return paired.isRight && plain.seconds > CLEARLY * paired.seconds ? module : null;
}

/** Sizes of a product that leaves tiles at the edges half empty. */
const [M, N, K] = [61, 70, 256];
const REPEATS = 40;

/** A product of small whole numbers, which any order of additions gives exactly: is it right, and how long does it take at best? */
async function timeProduct(
  module: WebAssembly.Module,
  bind: Bind,
): Promise<{ readonly isRight: boolean; readonly seconds: number }> {
  const memory = createMemory();
  const { functions, heapBase } = await bind(module, memory);
  const scratch = Math.ceil(heapBase / 64) * 64;
  const [atA, atB] = [scratch + GEMM_SCRATCH, scratch + GEMM_SCRATCH + 4 * M * K];
  const atC = atB + 4 * K * N;
  memory.grow(Math.ceil((atC + 4 * M * N) / 65536));
  const a = new Float32Array(memory.buffer, atA, M * K).map((_, i) => ((i * 5) % 7) - 3);
  const b = new Float32Array(memory.buffer, atB, K * N).map((_, i) => ((i * 3) % 7) - 3);
  new Float32Array(memory.buffer, atA, M * K).set(a);
  new Float32Array(memory.buffer, atB, K * N).set(b);
  const multiply = functions["matmul"]!;
  let seconds = Infinity;
  for (let turn = 0; turn < REPEATS; turn++) {
    const begun = performance.now();
    // Of f32, one product, nothing transposed, in one unit; see wasm/assembly/matmul/matmul.ts.
    multiply(
      ...[F32, atA, atB, atC, M, N, K],
      ...[1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[M, N, 0, 0, 0, 0, 1, scratch],
    );
    seconds = Math.min(seconds, (performance.now() - begun) / 1000);
  }
  const isRight = new Float32Array(memory.buffer, atC, M * N).every((value, at) => {
    const [i, j] = [Math.floor(at / N), at % N];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += a[i * K + k]! * b[k * N + j]!;
    return value === sum;
  });
  leaveMemory(memory);
  return { isRight, seconds };
}
