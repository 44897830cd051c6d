// Loads the compiled kernels onto a device's memory.

import type { WasmKernels } from "../../tensor/cpuDevice.ts";
import { invariant } from "../../tensor/errors.ts";

/** `relaxed` fuses multiplication and addition; Node >= 22 and current browsers run it. */
export type WasmVariant = "simd" | "relaxed";

// (module (func (result v128) (f32x4.relaxed_madd (i8x16.splat (i32.const 0)) ... three times)))
const RELAXED_PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x13, 0x01, 0x11, 0x00],
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02, 0x0b],
);

/** Whether this runtime has relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_PROBE);
}

/**
 * The kernels of one variant, compiled and bound to no memory yet: all threads use one module.
 * @throws {WebAssembly.CompileError} for a variant that this runtime does not have
 */
export async function compileWasm(variant: WasmVariant): Promise<WebAssembly.Module> {
  const { wasmBase64 } =
    variant === "relaxed"
      ? await import("./generated/relaxed.ts")
      : await import("./generated/simd.ts");
  return WebAssembly.compile(Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0)));
}

/** The fastest variant that this runtime has. */
export function fastestVariant(): WasmVariant {
  return hasRelaxedSimd() ? "relaxed" : "simd";
}

/** Instantiates compiled kernels on `memory`. Every thread does so, on the same one. */
export async function bindWasm(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<WasmKernels> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const functions: Record<string, (...args: number[]) => void> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value === "function") functions[name] = value as (...args: number[]) => void;
  }
  const heapBase = exports.heapBase;
  invariant(heapBase instanceof WebAssembly.Global, () => "the kernels do not export heapBase");
  return { functions, heapBase: heapBase.value as number };
}
