// What the debug ladder prints of a GPU's kernels. A kernel's line waits for the times of its passes, which come back with
// the next read or sync; lines keep the order of dispatches.

import {
  debugLevel,
  debugWriter,
  describeCall,
  formatMs,
  formatValues,
  isNewModule,
  kernelLine,
  type KernelCall,
} from "../debug.ts";
import type { KernelDescription, KernelParams, KernelTensors } from "../device.ts";
import type { Timing } from "./commands.ts";
import type { PreparedCall, PreparedPass } from "./preparedCalls.ts";
import { Profiler } from "./profiler.ts";
import { workgroupSizeOf } from "./shaderSource.ts";

/** A call that was dispatched. */
export interface Trace {
  readonly call: KernelCall;
  readonly write: (text: string) => void;
  /** Printed before the line. */
  readonly modules: readonly string[];
  readonly passes: readonly TracedPass[];
  /** Level 2: printed after the line. */
  readonly details: string[] | null;
  /** How pass number `pass` is measured. */
  timing(pass: number): Timing;
}

interface TracedPass {
  readonly text: string;
  /** null until it is known. */
  nanoseconds: number | null;
}

export class Traces {
  /** Measures the passes of traced calls; null on an adapter without timestamps. */
  readonly profiler: Profiler | null;
  #waiting: Trace[] = [];

  /** @param measures whether the adapter has timestamps */
  constructor(device: GPUDevice, measures: boolean) {
    this.profiler = measures ? new Profiler(device) : null;
    if (!measures) {
      debugWriter()("webgpu: this adapter has no timestamp-query, so kernels have no times");
    }
  }

  /** @param copied inputs that are copied first, for an output shares their buffer */
  trace(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    prepared: PreparedCall,
    copied: readonly string[],
  ): Trace {
    const level = debugLevel();
    const passes: TracedPass[] = prepared.passes.map((pass) => ({
      text: passText(pass),
      nanoseconds: null,
    }));
    return {
      call: describeCall("webgpu", kernel, tensors, params),
      write: debugWriter(),
      modules: level >= 3 ? newModules(prepared.passes) : [],
      passes,
      details: level >= 2 ? extraLines(prepared, copied) : null,
      timing: (i) => ({
        profiler: this.profiler,
        tell: (nanoseconds) => (passes[i]!.nanoseconds = nanoseconds),
      }),
    };
  }

  /** Prints a call in its turn, once its passes are recorded: those of a call that was refused would never come. */
  add(trace: Trace): void {
    this.#waiting.push(trace);
    this.#printComplete();
  }

  /** Fetches the times of all that is submitted and prints what is complete. */
  async drain(): Promise<void> {
    await this.profiler?.drain();
    this.#printComplete();
  }

  /** Prints from the front, up to the first call with a pass whose time is to come. */
  #printComplete(): void {
    const isComplete = ({ passes }: Trace): boolean =>
      this.profiler === null || passes.every(({ nanoseconds }) => nanoseconds !== null);
    while (this.#waiting[0] && isComplete(this.#waiting[0])) print(this.#waiting.shift()!);
  }

  /** Prints what is left, whose times will not come: the device closes or has failed. */
  printAll(): void {
    for (const trace of this.#waiting) print(trace);
    this.#waiting = [];
  }
}

function print({ call, write, modules, passes, details }: Trace): void {
  for (const module of modules) write(module);
  const isMeasured = passes.length > 0 && passes.every(({ nanoseconds }) => nanoseconds !== null);
  const sum = passes.reduce((total, { nanoseconds }) => total + (nanoseconds ?? 0), 0);
  write(kernelLine(call, isMeasured ? sum / 1e6 : null));
  if (details === null) return;
  for (const { text, nanoseconds } of passes) {
    const showsTime = passes.length > 1 && nanoseconds !== null;
    write(`  pass ${text}${showsTime ? ` | ${formatMs(nanoseconds / 1e6)} ms` : ""}`);
  }
  for (const detail of details) write(`  ${detail}`);
}

function passText({ pass, pipeline, grid }: PreparedPass): string {
  const constants = pass.constants ? `, ${formatValues(pass.constants)}` : "";
  const params = pass.params ? `, ${formatValues(pass.params)}` : "";
  return `${pipeline.label}: grid ${grid.join(" x ")}, workgroup ${workgroupSizeOf(pass)}${constants}${params}`;
}

function extraLines({ temporaries }: PreparedCall, copied: readonly string[]): string[] {
  return [
    ...temporaries.map(([name, { type, size }]) => `temporary ${name}: ${type} [${size}]`),
    ...copied.map((name) => `copy of ${name}: an output shares its buffer`),
  ];
}

function newModules(passes: readonly PreparedPass[]): string[] {
  return passes.flatMap(({ pipeline: { label, source } }) =>
    isNewModule(source) ? [`--- WGSL of ${label}\n${source}\n--- end of ${label}`] : [],
  );
}
