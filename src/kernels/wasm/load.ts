// Loads the compiled kernels onto a device's memory.

import type { WasmKernels } from "../../tensor/cpuKernels.ts";
import { DeviceError, invariant } from "../../tensor/errors.ts";
import { isNode } from "../../tensor/runtime.ts";
import { compileUnder, mayFlag, type Flags } from "./v8Flags.ts";
import { compileInPairs } from "./vectorPairs.ts";

/**
 * `relaxed` fuses multiplication and addition; Node and current browsers run it. `wide` is `relaxed` in tiles for vectors of
 * 256 bits, which Node >= 24 makes of pairs of WebAssembly's on x64 (vectorPairs.ts).
 */
export const WASM_VARIANTS = ["simd", "relaxed", "wide"] as const;
/** A build of the cpu device's kernels; see `DeviceOptions.wasmVariant`. */
export type WasmVariant = (typeof WASM_VARIANTS)[number];

// (module (func (result v128) (f32x4.relaxed_madd (i8x16.splat (i32.const 0)) ... three times)))
export const RELAXED_PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x13, 0x01, 0x11, 0x00],
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02, 0x0b],
);

/** Node 20 has relaxed SIMD as it became the standard, behind a flag; the next version of its V8 dropped the flag. */
const relaxedFlag: Flags = {
  on: ["--experimental-wasm-relaxed-simd"],
  off: ["--no-experimental-wasm-relaxed-simd"],
};

/** Whether this runtime has relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return hasUnflagged() || mayFlag(["11.3."]);
}

function hasUnflagged(): boolean {
  return WebAssembly.validate(RELAXED_PROBE);
}

const sources = {
  simd: () => import("./generated/simd.ts"),
  relaxed: () => import("./generated/relaxed.ts"),
  wide: () => import("./generated/wide.ts"),
};

/** @throws {DeviceError} where the host has no WebAssembly at all */
function needWebAssembly(): void {
  if (typeof WebAssembly !== "undefined") return;
  const cure = isNode
    ? "Start Node without --jitless"
    : "Take the site out of the browser's lockdown or strict mode";
  throw new DeviceError(
    `openDevice: the cpu device needs WebAssembly, got a host without. ${cure}.`,
  );
}

/** What comes of compiling. @throws {DeviceError} where the host forbids it: these bytes compile wherever they may */
async function orRefused<T>(compiled: Promise<T>): Promise<T> {
  return compiled.catch((error: unknown) => {
    throw error instanceof WebAssembly.CompileError ? refusal(error) : error;
  });
}

function refusal(cause: WebAssembly.CompileError): DeviceError {
  const cure = isNode
    ? "Start Node without --disallow-code-generation-from-strings and other flags that forbid it"
    : "Allow script-src 'wasm-unsafe-eval' in the page's Content-Security-Policy";
  return new DeviceError(
    `openDevice: the cpu device must be allowed to compile WebAssembly, got ${String(cause).slice(0, 300)}. ${cure}.`,
    { cause },
  );
}

async function bytesOf(variant: WasmVariant): Promise<Uint8Array<ArrayBuffer>> {
  const { wasmBase64 } = await sources[variant]();
  return Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0));
}

/** Compiled once for a process: it takes a twentieth of a second, and a comparison with the clock. */
let wide: Promise<WebAssembly.Module | null> | null = null;

function compileWide(): Promise<WebAssembly.Module | null> {
  wide ??= orRefused(compileInPairs(() => bytesOf("wide"), bindWasm));
  return wide;
}

/** The variants that this runtime has, fastest last. */
export async function variantsHere(): Promise<readonly WasmVariant[]> {
  if (!hasRelaxedSimd()) return ["simd"];
  return (await compileWide()) === null ? ["simd", "relaxed"] : WASM_VARIANTS;
}

/** The fastest variant that this runtime has. */
export async function fastestVariant(): Promise<WasmVariant> {
  return (await variantsHere()).at(-1)!;
}

/**
 * The variant that GRADLOOM_WASM_VARIANT names, or the fastest.
 * @throws {DeviceError} for another name
 */
export async function defaultVariant(): Promise<WasmVariant> {
  needWebAssembly();
  const named = isNode ? process.env["GRADLOOM_WASM_VARIANT"] : undefined;
  if (named === undefined || named === "") return fastestVariant();
  const variant = WASM_VARIANTS.find((name) => name === named);
  if (variant !== undefined) return variant;
  const known = WASM_VARIANTS.map((name) => JSON.stringify(name)).join(" or ");
  throw new DeviceError(`openDevice: GRADLOOM_WASM_VARIANT must be ${known}, got "${named}"`);
}

/**
 * The kernels of one variant, compiled and bound to no memory yet: all threads use one module.
 * @throws {DeviceError} for a variant that this runtime does not have, or where the host forbids WebAssembly
 */
export async function compileWasm(variant: WasmVariant): Promise<WebAssembly.Module> {
  needWebAssembly();
  return orRefused(compileVariant(variant));
}

async function compileVariant(variant: WasmVariant): Promise<WebAssembly.Module> {
  // What was asked for and no more: who chooses another build keeps V8 out of the flags of the fastest.
  const isHere = {
    simd: () => true,
    relaxed: () => hasRelaxedSimd(),
    wide: async () => hasRelaxedSimd() && (await compileWide()) !== null,
  };
  if (!(await isHere[variant]())) {
    const here = await variantsHere();
    throw new DeviceError(
      `openDevice: wasmVariant must be one that this runtime has (${here.join(", ")}), got "${variant}". ` +
        "Leave it out for the fastest.",
    );
  }
  if (variant === "wide") return (await compileWide())!;
  const bytes = await bytesOf(variant);
  return variant === "relaxed" ? compileRelaxed(bytes) : WebAssembly.compile(bytes);
}

/** Compiles what has relaxed SIMD. */
export async function compileRelaxed(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  return hasUnflagged() ? WebAssembly.compile(bytes) : compileUnder(relaxedFlag, bytes);
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
