// Calls of WebAssembly functions on the cpu device: what a kernel runs, on how many threads, with what arguments.

import type { KernelDescription, KernelTensor } from "./device.ts";
import { formatValues } from "./debug.ts";
import type { WasmBody, WasmCall, WasmPass } from "./wasm.ts";

/** Elements that a kernel must touch before threads share it. Below, waking a thread costs more than it saves. */
const WORTH_SHARING = 16384;

/** A call of a function, but for the addresses of its tensors and the units to run. */
export interface FunctionCall {
  readonly name: string;
  readonly selector: readonly number[];
  readonly scalars: readonly number[];
  /** That work on it. */
  readonly threads: number;
  readonly scratchBytes: number;
}

/** The tensors of a pass in the order of its function's arguments, null where one is left out: the kernel's inputs first. */
export function boundTensors(
  kernel: KernelDescription,
  { function: run, tensors: others = {} }: WasmPass,
  tensors: Readonly<Record<string, KernelTensor | null | undefined>>,
): (KernelTensor | null)[] {
  const reads = run.reads ?? Object.keys(kernel.inputs);
  const writes = run.writes ?? Object.keys(kernel.outputs);
  return [...reads, ...writes].map((name) => tensors[others[name] ?? name] ?? null);
}

/** The call of a pass on `bound`. @param threads of the device; small kernels run on one */
export function functionCall(
  kernel: KernelDescription,
  { function: run, units, params: own = {}, constants: others = {}, scratchBytes = 0 }: WasmPass,
  { params, constants }: WasmCall,
  bound: readonly (KernelTensor | null)[],
  threads: number,
): FunctionCall {
  const touched = bound.reduce((sum, x) => sum + (x?.size ?? 0), 0);
  return {
    name: run.name,
    selector: run.selector === undefined ? [] : [run.selector],
    scalars: [
      ...Object.keys(kernel.params).map((name) => params[name]!),
      ...(run.params ?? []).map((name) => own[name]!),
      ...Object.keys(kernel.constants).map((name) => others[name] ?? constants[name]!),
    ],
    threads: touched >= WORTH_SHARING && units > 1 ? threads : 1,
    scratchBytes: roundToCacheLines(scratchBytes),
  };
}

/** What a call runs, one after another. */
export function passesOf(body: WasmBody, call: WasmCall): readonly WasmPass[] {
  if ("plan" in body) return body.plan(call).passes;
  const { params } = call;
  const scratchBytes = body.scratch?.(params) ?? 0;
  return [{ function: body, units: body.units(params), scratchBytes }];
}

/** A pass as the debug ladder tells it. */
export function passText(
  { name, threads, scratchBytes }: FunctionCall,
  { units, params: own = {} }: WasmPass,
): string {
  const scratch = scratchBytes > 0 ? { scratchBytes } : {};
  return `wasm ${name}: ${formatValues({ threads, units, ...own, ...scratch })}`;
}

export function isElementwise(body: WasmBody | undefined): boolean {
  return body !== undefined && "elementwise" in body;
}

/** Threads that write to one cache line slow each other down. */
function roundToCacheLines(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
