// The debug ladder (docs/internals/debugging.md): what devices print of the kernels that they run. Level 1 is a line a kernel,
// 2 adds how each ran, 3 the generated WGSL. While it is off, a dispatch pays for one comparison.

import type { KernelDescription, KernelParams, KernelTensors } from "./device.ts";
import { byteLength } from "./dtype.ts";
import { ArgumentError, DeviceError } from "./errors.ts";
import { formatShape } from "./shape.ts";

/** How much devices print: 0 nothing, 1 a line a kernel, 2 adds plans and tiles, 3 adds the generated WGSL. */
export type DebugLevel = 0 | 1 | 2 | 3;

/** Where `setDebug` prints. */
export interface DebugOptions {
  /** Is given a line, or the text of a WGSL module, without a newline at the end. Default: `console.error`. */
  readonly write?: (text: string) => void;
}

type Write = (text: string) => void;

const toStderr: Write = (text) => {
  console.error(text);
};

let level: DebugLevel = 0;
let write: Write = toStderr;
/** WGSL modules printed since the level was set. */
let printed = new Set<string>();

/**
 * Prints a line for each kernel that runs from now on, on every device: its name, tensors, time and speed. Kernels run
 * for measurement: on webgpu each has compute passes of its own, and lines come at the next read or sync.
 * In Node the environment variable GRADLOOM_DEBUG sets the level before the program does.
 * @param newLevel 0 off, 1 a line a kernel, 2 also its passes and tiles, 3 also each WGSL module before its first use
 * @throws {ArgumentError} for another level
 */
export function setDebug(newLevel: DebugLevel, options: DebugOptions = {}): void {
  if (![0, 1, 2, 3].includes(newLevel)) {
    throw new ArgumentError(`setDebug: the level must be 0, 1, 2 or 3, got ${String(newLevel)}`);
  }
  level = newLevel;
  write = options.write ?? toStderr;
  printed = new Set();
}

/** The level that `setDebug` or GRADLOOM_DEBUG set: 0, which prints nothing, unless they did. */
export function debugLevel(): DebugLevel {
  return level;
}

/**
 * Sets the level from the value of GRADLOOM_DEBUG. A module that threw while it loads would end a program with a stack
 * trace, so the error is handed back, for `openDevice` to throw.
 */
export function setDebugFromVariable(value: string | undefined): DeviceError | null {
  if (value === undefined || value === "") return null;
  if (!/^[0-3]$/.test(value)) {
    return new DeviceError(
      `openDevice: GRADLOOM_DEBUG must be 0, 1, 2 or 3, got ${JSON.stringify(value)}`,
    );
  }
  setDebug(Number(value) as DebugLevel);
  return null;
}

/** Where the kernels dispatched now are printed, even if they have run only once another writer is set. */
export function debugWriter(): Write {
  return write;
}

/** Whether a WGSL module was not printed yet; it counts as printed from now on. */
export function isNewModule(source: string): boolean {
  const isNew = !printed.has(source);
  printed.add(source);
  return isNew;
}

/** A call of a kernel as text, made when it is dispatched: its tensors may be gone when its time is known. */
export interface KernelCall {
  readonly text: string;
  readonly flops: number | null;
  /** Of the bound tensors, each counted once. */
  readonly bytes: number;
}

export function describeCall(
  device: string,
  kernel: KernelDescription,
  tensors: KernelTensors,
  params: KernelParams,
): KernelCall {
  const storages = new Set<unknown>();
  let bytes = 0;
  const describe = (names: readonly string[]): string =>
    names
      .flatMap((name) => {
        const x = tensors[name];
        if (!x) return [];
        if (!storages.has(x.storage)) bytes += byteLength(x.dtype, x.size);
        storages.add(x.storage);
        return [`${name} ${x.dtype} ${formatShape(x.shape)}`];
      })
      .join(", ");
  const inputs = describe(Object.keys(kernel.inputs));
  const outputs = describe(Object.keys(kernel.outputs));
  return {
    text: `${device} ${kernel.name}: ${inputs}${inputs === "" ? "" : " "}-> ${outputs}`,
    flops: kernel.flops?.(params, tensors) ?? null,
    bytes,
  };
}

/** The line of level 1. @param ms null where nobody measured */
export function kernelLine({ text, flops, bytes }: KernelCall, ms: number | null): string {
  if (ms === null) return text;
  const time = `${text} | ${formatMs(ms)} ms`;
  if (ms === 0) return time;
  const [amount, unit] = flops === null ? [bytes, "GB/s"] : [flops, "GFLOP/s"];
  const speed = amount / ms / 1e6;
  return `${time} | ${speed >= 100 ? speed.toFixed(0) : speed.toPrecision(3)} ${unit}`;
}

export function formatMs(ms: number): string {
  return ms.toFixed(4);
}

/** Values by name, as in a plan: "rowBlock 120, colBlock 256". */
export function formatValues(values: Readonly<Record<string, number | boolean>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}
