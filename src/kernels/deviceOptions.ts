// What openDevice is told, and the checks of it.

import { DeviceError } from "../tensor/errors.ts";
import type { AdviseMemory } from "../tensor/memoryPool.ts";
import { isNode } from "../tensor/runtime.ts";
import { WASM_VARIANTS, type WasmVariant } from "./wasm/load.ts";

export const MAX_THREADS = 64;

/** Where tensors live: `"cpu"`, `"webgpu"`, or `"auto"` for webgpu where there is a GPU and cpu elsewhere. */
export type DeviceKind = "cpu" | "webgpu" | "auto";

/** What `openDevice` is told; each field says for which kind of device it counts. */
export interface DeviceOptions {
  /** cpu: threads, 1..64; default: the machine's cores, 1 on a page that is not cross-origin isolated. Plain kernels run on one. */
  readonly threads?: number;
  /** cpu: "plain" runs every kernel's TypeScript body, as tests of those bodies do. Default "wasm". */
  readonly kernels?: "wasm" | "plain";
  /**
   * cpu: most bytes of all tensors; default: 85% of the memory of the machine, or of the container. Past the 4 GiB of one
   * WebAssembly memory, what was used longest ago lies in further ones.
   */
  readonly memoryBytes?: number;
  /**
   * cpu: called with every WebAssembly memory that the device takes, before its first use. `await hugePages()` asks Linux for pages
   * of 2 MiB. Default: nothing.
   */
  readonly adviseMemory?: AdviseMemory;
  /**
   * cpu: true runs kernels on `threads` workers alone, while this thread goes on, as with a GPU: a program that trains answers
   * requests meanwhile. Ops return at once, and what goes wrong in a kernel is thrown where one waits (`data`, `sync`).
   * Default false.
   */
  readonly background?: boolean;
  /**
   * cpu, on pages whose Content-Security-Policy forbids workers from blob: addresses: where the page serves the package's
   * `gradloom/cpuWorker.js`. Unless given, threads are workers from a blob: address.
   */
  readonly workerUrl?: string;
  /** cpu: which build of the kernels; GRADLOOM_WASM_VARIANT or the fastest that this runtime has unless given. */
  readonly wasmVariant?: WasmVariant;
  /** webgpu, in Node: part of the adapter's name, where there are several. A name that fits none is answered with all. */
  readonly adapter?: string;
  /** webgpu: which of two adapters. Default "high-performance". */
  readonly powerPreference?: "high-performance" | "low-power";
  /**
   * webgpu: whether the first use of an adapter with matrix units measures which shapes of kernels suit it: 2 seconds, once for an
   * adapter, driver and version of this library. What was measured before is used in any case, and deleted with the file that
   * `gradloom devices --tune` names. Default true in Node, on hardware; false where GRADLOOM_TUNE is 0.
   */
  readonly tune?: boolean;
}

export const CPU_OPTIONS = [
  ...["threads", "background", "memoryBytes", "adviseMemory"],
  ...["kernels", "wasmVariant", "workerUrl"],
];
export const WEBGPU_OPTIONS = ["adapter", "powerPreference", "tune"];

/** @throws {DeviceError} for an option that the kind of device does not have */
export function checkNames(
  kind: DeviceKind,
  options: DeviceOptions,
  names: readonly string[],
): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new DeviceError(
    `openDevice: options of ${kind} must be ${names.join(", ")}, got ${format(unknown)}`,
  );
}

/** Whether threads can be started: browsers let only isolated pages share memory with their workers. */
export function sharesMemory(): boolean {
  return isNode || globalThis.crossOriginIsolated;
}

/** @throws {DeviceError} */
export function checkCpuOptions(options: DeviceOptions): void {
  const { threads, kernels, wasmVariant, memoryBytes, background, adviseMemory } = options;
  const isCount = (n: number) => Number.isInteger(n) && n >= 1 && n <= MAX_THREADS;
  if (threads !== undefined && !isCount(threads)) {
    throw new DeviceError(
      `openDevice: threads must be a whole number of 1 to ${MAX_THREADS}, got ${format(threads)}. ` +
        "Leave it out for all cores.",
    );
  }
  const { workerUrl } = options;
  if (workerUrl !== undefined && (isNode || typeof workerUrl !== "string" || workerUrl === "")) {
    throw new DeviceError(
      `openDevice: workerUrl must be an address of cpuWorker.js, on a page, got ${format(workerUrl)}${isNode ? " in Node" : ""}. Leave it out.`,
    );
  }
  if (threads !== undefined && threads > 1 && !sharesMemory()) {
    throw new DeviceError(
      `openDevice: threads must be 1 on a page that is not cross-origin isolated, got ${threads}. Serve it with the headers ` +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or leave threads out.",
    );
  }
  if (background !== undefined && typeof background !== "boolean") {
    throw new DeviceError(
      `openDevice: background must be true or false, got ${format(background)}`,
    );
  }
  if (adviseMemory !== undefined && typeof adviseMemory !== "function") {
    throw new DeviceError(
      `openDevice: adviseMemory must be a function, as hugePages() gives one, got ${format(adviseMemory)}`,
    );
  }
  if (background && !sharesMemory()) {
    throw new DeviceError(
      "openDevice: background must be false on a page that is not cross-origin isolated, got true. Serve it with the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or leave it out.",
    );
  }
  if (background && kernels === "plain") {
    throw new DeviceError(
      "openDevice: plain kernels must run on the calling thread, got background: true. Leave it out.",
    );
  }
  if (memoryBytes !== undefined && !(memoryBytes > 0)) {
    throw new DeviceError(
      `openDevice: memoryBytes must be above 0, got ${format(memoryBytes)}. Leave it out for 85% of the machine's.`,
    );
  }
  if (kernels === "plain" && threads !== undefined && threads > 1) {
    throw new DeviceError(
      `openDevice: plain kernels must run on 1 thread, got ${threads}. Leave threads out.`,
    );
  }
  if (kernels !== undefined && kernels !== "wasm" && kernels !== "plain") {
    throw new DeviceError(`openDevice: kernels must be "wasm" or "plain", got ${format(kernels)}`);
  }
  if (wasmVariant !== undefined && !WASM_VARIANTS.includes(wasmVariant)) {
    throw new DeviceError(
      `openDevice: wasmVariant must be ${WASM_VARIANTS.map(format).join(" or ")}, got ${format(wasmVariant)}`,
    );
  }
}

export function format(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
