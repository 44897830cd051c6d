// The devices tests run on. `cpu` is what users get (WebAssembly where a kernel has it); `plain` runs
// every kernel's TypeScript body. GRADLOOM_TEST_THREADS and GRADLOOM_TEST_VARIANT choose threads and build of the
// kernels, to run any test in all four configurations.

import { openDevice } from "../../src/kernels/openDevice.ts";
import type { WasmVariant } from "../../src/kernels/wasm/load.ts";

const { GRADLOOM_TEST_THREADS: threads, GRADLOOM_TEST_VARIANT: variant } = process.env;

export const cpu = await openDevice("cpu", {
  ...(threads ? { threads: Number(threads) } : {}),
  ...(variant ? { wasmVariant: variant as WasmVariant } : {}),
});
export const plain = await openDevice("cpu", { kernels: "plain" });
