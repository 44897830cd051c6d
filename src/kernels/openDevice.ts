// Opens a device with the kernels that run on it. It stands here and not in src/tensor because the
// cpu device needs the compiled kernels, and that folder knows none.

import { CpuDevice } from "../tensor/cpuDevice.ts";
import { setDebugFromVariable } from "../tensor/debug.ts";
import type { Device } from "../tensor/device.ts";
import { DeviceError } from "../tensor/errors.ts";
import { MOST_BYTES, takeMemory } from "../tensor/memoryPool.ts";
import { isNode } from "../tensor/runtime.ts";
import { nodeModule } from "../tensor/nodeModule.ts";
import type { AdapterOptions } from "../tensor/webgpu/adapter.ts";
import { openHardwareWebGpu, openWebGpu } from "../tensor/webgpu/open.ts";
import { loadTiles } from "./matmul/tileCache.ts";
import type { WebGpuDevice } from "../tensor/webgpu/webgpuDevice.ts";
import {
  bindWasm,
  compileWasm,
  defaultVariant,
  WASM_VARIANTS,
  type WasmVariant,
} from "./wasm/load.ts";

const MAX_THREADS = 64;

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
}

/** While this module loads, so that `setDebug` has the last word. */
const debugError = isNode ? setDebugFromVariable(process.env["GRADLOOM_DEBUG"]) : null;

const CPU_OPTIONS = ["threads", "background", "memoryBytes", "kernels", "wasmVariant", "workerUrl"];
const WEBGPU_OPTIONS = ["adapter", "powerPreference"];

/**
 * Opens a device. Tensors of two devices do not mix.
 * @param kind "auto" is webgpu where there is a GPU, else cpu; a CPU that plays a GPU does not count
 * @throws {DeviceError} for an unknown kind or option, a device that is not here, or a GRADLOOM_DEBUG other than 0 to 3
 */
export async function openDevice(kind: DeviceKind, options: DeviceOptions = {}): Promise<Device> {
  if (debugError) throw debugError;
  switch (kind) {
    case "cpu":
      checkNames(kind, options, CPU_OPTIONS);
      return openCpu(options);
    case "webgpu":
      checkNames(kind, options, WEBGPU_OPTIONS);
      return withMeasuredTiles(await openWebGpu(webGpuOptions(options)));
    case "auto":
      checkNames(kind, options, [...CPU_OPTIONS, ...WEBGPU_OPTIONS]);
      checkCpuOptions(options);
      return (await openHardware(options)) ?? openCpu(options);
    default:
      throw new DeviceError(
        `openDevice: the kind must be "cpu", "webgpu" or "auto", got ${format(kind)}`,
      );
  }
}

async function openHardware(options: DeviceOptions): Promise<Device | null> {
  const device = await openHardwareWebGpu(webGpuOptions(options));
  return device && withMeasuredTiles(device);
}

/** The device, its matrix products in the shapes that `gradloom devices --tune` measured, if it did. */
async function withMeasuredTiles(device: WebGpuDevice): Promise<WebGpuDevice> {
  await loadTiles(device.adapter);
  return device;
}

async function openCpu(options: DeviceOptions): Promise<Device> {
  checkCpuOptions(options);
  const totalBytes = options.memoryBytes ?? (await memoryForTensors());
  const limits = { eachBytes: MOST_BYTES, totalBytes };
  if (options.kernels === "plain") return new CpuDevice(takeMemory(), null, limits);
  const module = await compileWasm(options.wasmVariant ?? (await defaultVariant()));
  const memory = takeMemory();
  const device = new CpuDevice(memory, await bindWasm(module, memory), limits);
  const threads = options.threads ?? (await defaultThreads());
  if (options.background) await device.startBackground(threads, module, options.workerUrl);
  else await device.startThreads(threads, module, options.workerUrl);
  return device;
}

function webGpuOptions({ adapter, powerPreference }: DeviceOptions): AdapterOptions {
  if (adapter !== undefined && (typeof adapter !== "string" || adapter === "")) {
    throw new DeviceError(
      `openDevice: adapter must be part of an adapter's name, got ${format(adapter)}`,
    );
  }
  const known = [undefined, "high-performance", "low-power"].includes(powerPreference);
  if (!known) {
    throw new DeviceError(
      `openDevice: powerPreference must be "high-performance" or "low-power", got ${format(powerPreference)}`,
    );
  }
  return {
    ...(adapter === undefined ? {} : { adapter }),
    ...(powerPreference === undefined ? {} : { powerPreference }),
  };
}

/** @throws {DeviceError} for an option that the kind of device does not have */
function checkNames(kind: DeviceKind, options: DeviceOptions, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new DeviceError(
    `openDevice: options of ${kind} must be ${names.join(", ")}, got ${format(unknown)}`,
  );
}

/** All cores, or 1 where workers cannot share the memory. */
async function defaultThreads(): Promise<number> {
  if (isNode) {
    const { availableParallelism } = nodeModule("node:os");
    return Math.min(availableParallelism(), MAX_THREADS);
  }
  return sharesMemory() ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1;
}

/** Whether threads can be started: browsers let only isolated pages share memory with their workers. */
function sharesMemory(): boolean {
  return isNode || globalThis.crossOriginIsolated;
}

/**
 * Of the memory that this process may use, tensors get so much: the heap, files on their way and the rest of the machine need some,
 * and Linux ends a process that takes more than there is, without a word.
 */
const SHARE_OF_TENSORS = 0.85;

/** Bytes for tensors unless somebody says; Infinity where nobody knows how many there are. */
async function memoryForTensors(): Promise<number> {
  if (!isNode) return Infinity;
  const { totalmem } = nodeModule("node:os");
  // 0 or an absurdly large number where there is no constraint.
  const constrained = process.constrainedMemory();
  const all = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.floor(SHARE_OF_TENSORS * all);
}

function checkCpuOptions(options: DeviceOptions): void {
  const { threads, kernels, wasmVariant, memoryBytes, background } = options;
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

function format(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
