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
import { tuneOnFirstUse } from "./tuning/firstUse.ts";
import type { WebGpuDevice } from "../tensor/webgpu/webgpuDevice.ts";
import {
  checkCpuOptions,
  checkNames,
  CPU_OPTIONS,
  format,
  MAX_THREADS,
  sharesMemory,
  WEBGPU_OPTIONS,
  type DeviceKind,
  type DeviceOptions,
} from "./deviceOptions.ts";
import { bindWasm, compileWasm, defaultVariant } from "./wasm/load.ts";

/** While this module loads, so that `setDebug` has the last word. */
const debugError = isNode ? setDebugFromVariable(process.env["GRADLOOM_DEBUG"]) : null;

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
      return tuned(await openWebGpu(webGpuOptions(options)), options);
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
  return device && tuned(device, options);
}

/** The device, its kernels in the shapes that were measured on its adapter, perhaps now. */
async function tuned(device: WebGpuDevice, { tune = true }: DeviceOptions): Promise<WebGpuDevice> {
  await tuneOnFirstUse(device, tune);
  return device;
}

async function openCpu(options: DeviceOptions): Promise<Device> {
  checkCpuOptions(options);
  const totalBytes = options.memoryBytes ?? (await memoryForTensors());
  const { adviseMemory } = options;
  const limits = { eachBytes: MOST_BYTES, totalBytes, adviseMemory };
  if (options.kernels === "plain") return new CpuDevice(takeMemory(adviseMemory), null, limits);
  const module = await compileWasm(options.wasmVariant ?? (await defaultVariant()));
  const memory = takeMemory(adviseMemory);
  const device = new CpuDevice(memory, await bindWasm(module, memory), limits);
  const threads = options.threads ?? (await defaultThreads());
  if (options.background) await device.startBackground(threads, module, options.workerUrl);
  else await device.startThreads(threads, module, options.workerUrl);
  return device;
}

function webGpuOptions({ adapter, powerPreference, tune }: DeviceOptions): AdapterOptions {
  if (tune !== undefined && typeof tune !== "boolean") {
    throw new DeviceError(`openDevice: tune must be true or false, got ${format(tune)}`);
  }
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

/** All cores, or 1 where workers cannot share the memory. */
async function defaultThreads(): Promise<number> {
  if (isNode) {
    const { availableParallelism } = nodeModule("node:os");
    return Math.min(availableParallelism(), MAX_THREADS);
  }
  return sharesMemory() ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1;
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
