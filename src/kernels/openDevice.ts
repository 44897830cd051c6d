// Opens a device with the kernels that run on it. It stands here and not in src/tensor because the
// cpu device needs the compiled kernels, and that folder knows none.

import { CpuDevice, createMemory } from "../tensor/cpuDevice.ts";
import type { Device } from "../tensor/device.ts";
import { DeviceError } from "../tensor/errors.ts";
import { hasRelaxedSimd, loadWasm, type WasmVariant } from "./wasm/load.ts";

export type DeviceKind = "cpu" | "webgpu" | "auto";

export interface DeviceOptions {
  /** Threads of the cpu device; this version has 1. */
  readonly threads?: number;
  /** "plain" runs every kernel's TypeScript body, as tests of those bodies do. Default "wasm". */
  readonly kernels?: "wasm" | "plain";
  /** Which build of the kernels; the fastest that this runtime has unless given. */
  readonly wasmVariant?: WasmVariant;
}

/**
 * Opens a device. Tensors of two devices do not mix.
 * @param kind "auto" is the cpu device in this version
 * @throws {DeviceError} for an unknown kind or option, or a device that is not here
 */
export async function openDevice(kind: DeviceKind, options: DeviceOptions = {}): Promise<Device> {
  switch (kind) {
    case "cpu":
    case "auto":
      return openCpu(options);
    case "webgpu":
      throw new DeviceError(
        'openDevice: this version has no webgpu device yet, got "webgpu". Use "cpu".',
      );
    default:
      throw new DeviceError(
        `openDevice: the kind must be "cpu", "webgpu" or "auto", got ${format(kind)}`,
      );
  }
}

async function openCpu(options: DeviceOptions): Promise<Device> {
  checkOptions(options);
  const memory = createMemory();
  const wasm = options.kernels === "plain" ? null : await loadWasm(memory, options.wasmVariant);
  return new CpuDevice(memory, wasm);
}

function checkOptions({ threads, kernels, wasmVariant, ...others }: DeviceOptions): void {
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw new DeviceError(
      `openDevice: options must be threads, kernels or wasmVariant, got ${format(unknown)}`,
    );
  }
  if (threads !== undefined && threads !== 1) {
    throw new DeviceError(
      `openDevice: threads must be 1 in this version, got ${format(threads)}. Leave it out.`,
    );
  }
  if (kernels !== undefined && kernels !== "wasm" && kernels !== "plain") {
    throw new DeviceError(`openDevice: kernels must be "wasm" or "plain", got ${format(kernels)}`);
  }
  if (wasmVariant !== undefined && wasmVariant !== "simd" && wasmVariant !== "relaxed") {
    throw new DeviceError(
      `openDevice: wasmVariant must be "simd" or "relaxed", got ${format(wasmVariant)}`,
    );
  }
  if (wasmVariant === "relaxed" && !hasRelaxedSimd()) {
    throw new DeviceError(
      'openDevice: wasmVariant must be one that this runtime has, got "relaxed". ' +
        'Use "simd", or Node 22 or newer.',
    );
  }
}

function format(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
