// How kernels run on the cpu device: which body, on how many threads, with what they touch in the memory that WebAssembly sees.

import {
  boundTensors,
  functionCall,
  isElementwise,
  passesOf,
  passText,
  type FunctionCall,
} from "./cpuCalls.ts";
import type { Block, CpuMemory, CpuStorage } from "./cpuMemory.ts";
import type { CpuRecorder, PreparedCall } from "./cpuRecording.ts";
import { nearBlocks, runInWindows, storageOf } from "./cpuWindows.ts";
import type {
  KernelArrays,
  KernelBinding,
  KernelDescription,
  KernelParams,
  KernelTensor,
  KernelTensors,
} from "./device.ts";
import type { StorageArray } from "./dtype.ts";
import { invariant, type DeviceError } from "./errors.ts";
import type { ThreadPool } from "./threadPool.ts";
import type { ThreadQueue } from "./threadQueue.ts";
import type { WasmCall, WasmPass } from "./wasm.ts";

/** The compiled kernels and the first address that they leave to tensors. */
export interface WasmKernels {
  readonly functions: Readonly<Record<string, (...args: number[]) => void>>;
  readonly heapBase: number;
}

/** What the device does for its kernels. */
interface Host {
  /** @param pinned blocks that must stay where they are */
  allocate(bytes: number, pinned?: ReadonlySet<Block>): CpuStorage;
  outOfMemory(bytes: number): DeviceError;
}

export class CpuKernels {
  /** Null runs every kernel's TypeScript body. */
  readonly wasm: WasmKernels | null;
  /** Shares large kernels between threads, the calling one included. */
  pool: ThreadPool | null = null;
  /** In place of a pool where kernels run while the calling thread goes on. Then whoever looks at memory drains it first. */
  queue: ThreadQueue | null = null;
  /** Level 2 of the debug ladder: how the kernel at hand runs. */
  details: string[] | null = null;
  /** Gets the calls of kernels while they are recorded. */
  recorder: CpuRecorder | null = null;
  readonly #memory: CpuMemory;
  readonly #host: Host;
  readonly #functionIndex: ReadonlyMap<string, number>;

  constructor(memory: CpuMemory, wasm: WasmKernels | null, host: Host) {
    this.wasm = wasm;
    this.#memory = memory;
    this.#host = host;
    this.#functionIndex = new Map(Object.keys(wasm?.functions ?? {}).map((name, i) => [name, i]));
  }

  /** Threads that share large kernels, the calling one included unless it goes on meanwhile. */
  get threads(): number {
    return this.queue?.threads ?? this.pool?.threads ?? 1;
  }

  /** Runs a kernel, or records it for the threads that run it in its turn. */
  execute(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    const { bindings } = kernel;
    const usesDoubles = bindings.some(({ name }) => tensors[name]?.dtype === "f64");
    if (kernel.wasm && this.wasm && !usesDoubles) {
      this.#checkArguments(kernel, bindings, tensors, params);
      const call = { params, constants, tensors, threads: this.threads };
      for (const pass of passesOf(kernel.wasm, call)) this.#runPass(kernel, pass, call, tensors);
      return;
    }
    this.recorder?.giveUp();
    this.details?.push("plain body, 1 thread");
    if (this.queue) {
      const views = this.#laterArrays(bindings, tensors);
      this.queue.host(() => kernel.plain(views(), params, constants));
      return;
    }
    kernel.plain(this.#arrays(bindings, tensors), params, constants);
  }

  /** What runs later is checked where it runs. */
  #checkArguments(
    { wasm }: KernelDescription,
    bindings: readonly KernelBinding[],
    tensors: KernelTensors,
    params: KernelParams,
  ): void {
    if (this.queue || !wasm?.check) return;
    const arrays = this.#laterArrays(bindings, tensors);
    const check = (): void => wasm.check!(arrays(), params);
    check();
    this.recorder?.add(check);
  }

  #runPass(
    kernel: KernelDescription,
    pass: WasmPass,
    whole: WasmCall,
    tensors: KernelTensors,
  ): void {
    const { units } = pass;
    const bound = boundTensors(kernel, pass, tensors);
    const call = functionCall(kernel, pass, whole, bound, this.threads);
    const blocks = new Set(bound.flatMap((x) => (x ? [storageOf(x.storage).block] : [])));
    this.#memory.touch(blocks);
    const isFar = (block: Block): boolean => !this.#memory.isNear(block);
    const streams = isElementwise(kernel.wasm) && [...blocks].some(isFar);
    this.details?.push(`${passText(call, pass)}${streams ? ", in windows" : ""}`);
    if (streams) {
      this.recorder?.giveUp();
      this.#stream(call, bound, Object.keys(kernel.inputs).length, units);
      return;
    }
    // Nobody knows yet which thread will run what is queued.
    const scratchBytes = call.scratchBytes * (this.queue ? this.threads : call.threads);
    const scratch = scratchBytes > 0 ? this.#host.allocate(scratchBytes) : null;
    if (scratch) blocks.add(scratch.block);
    this.#bringNear(blocks);
    const storages = bound.map((x) => x && storageOf(x.storage));
    const addresses = storages.map((storage) => storage?.offset ?? 0);
    const prepared = this.#prepare(call, addresses, units, scratch?.offset ?? 0);
    prepared.run();
    const inputs = (pass.function.reads ?? Object.keys(kernel.inputs)).length;
    const [reads, writes] = [storages.slice(0, inputs), storages.slice(inputs)];
    this.recorder?.addCall(prepared, { reads, writes, scratch });
    scratch?.release();
  }

  #bringNear(blocks: ReadonlySet<Block>): void {
    const missing = [...blocks].filter((block) => !this.#memory.isNear(block));
    if (missing.length === 0 || this.#memory.bringNear(blocks)) return;
    throw this.#host.outOfMemory(missing.reduce((sum, { byteLength }) => sum + byteLength, 0));
  }

  /** Runs an elementwise kernel on tensors of which some lie far, a window at a time. */
  #stream(
    call: FunctionCall,
    bound: readonly (KernelTensor | null)[],
    inputs: number,
    units: number,
  ): void {
    const pinned = nearBlocks(this.#memory, bound, units);
    this.#bringNear(pinned);
    this.queue?.drain();
    runInWindows(
      this.#memory,
      { bound, inputs, units, pinned },
      {
        allocate: (bytes) => this.#host.allocate(bytes, pinned),
        run: (addresses, count) => {
          this.#prepare(call, addresses, count, 0).run();
          this.queue?.drain();
        },
      },
    );
  }

  /** @param scratch address of the threads' scratch memory, 0 for none */
  #prepare(
    { name, selector, scalars, threads, scratchBytes }: FunctionCall,
    addresses: readonly number[],
    units: number,
    scratch: number,
  ): PreparedCall {
    const run = this.wasm?.functions[name];
    invariant(run, () => `no WebAssembly function ${name}`);
    const args = selector.concat(addresses, scalars);
    const [pool, queue] = [this.pool, this.queue];
    if (queue || threads > 1) {
      const functionIndex = this.#functionIndex.get(name)!;
      const job = { functionIndex, args, units, scratchBytes, scratch };
      if (queue) return { run: () => queue.run(job, threads > 1), job: null };
      return { run: () => pool!.run(job), job };
    }
    args.push(0, units);
    if (scratch) args.push(scratch);
    return { run: () => run(...args), job: null };
  }

  #arrays(bindings: readonly KernelBinding[], tensors: KernelTensors): KernelArrays {
    const arrays: Record<string, StorageArray | null> = {};
    for (const { name } of bindings) {
      const x = tensors[name] ?? null;
      arrays[name] = x && this.#memory.view(storageOf(x.storage), x.dtype, x.size);
    }
    return arrays;
  }

  /** The same when a job has its turn: its storages are where they are now, released or not. */
  #laterArrays(bindings: readonly KernelBinding[], tensors: KernelTensors): () => KernelArrays {
    const bound = bindings.map(({ name }) => {
      const x = tensors[name] ?? null;
      return [name, x && { storage: storageOf(x.storage), dtype: x.dtype, size: x.size }] as const;
    });
    return () =>
      Object.fromEntries(
        bound.map(([name, x]) => [name, x && this.#memory.view(x.storage, x.dtype, x.size)]),
      );
  }
}
