// The cpu device: tensors live in WebAssembly memory, so that WebAssembly kernels read and write them in place, and
// TypeScript bodies through typed-array views made per call (a view kept across a growth of the memory would be
// stale). What does not fit into one memory lies in others (cpuMemory.ts).

import { CpuMemory, type Block, type CpuStorage, type MemoryLimits } from "./cpuMemory.ts";
import { CpuRecorder } from "./cpuRecording.ts";
import {
  boundTensors,
  functionCall,
  isElementwise,
  passesOf,
  passText,
  type FunctionCall,
} from "./cpuCalls.ts";
import { nearBlocks, runInWindows, storageOf } from "./cpuWindows.ts";
import { debugLevel, debugWriter, describeCall, kernelLine } from "./debug.ts";
import type {
  Device,
  KernelArrays,
  KernelDescription,
  KernelParams,
  KernelTensor,
  KernelTensors,
  MemoryStats,
  PinnedArray,
  Recording,
  Storage,
} from "./device.ts";
import { asyncDisposeSymbol } from "./disposal.ts";
import type { DataArray, Dtype, StorageArray } from "./dtype.ts";
import { fromStorage, storedSize } from "./dtype.ts";
import { DeviceError, invariant } from "./errors.ts";
import { MOST_BYTES } from "./memoryPool.ts";
import { outOfMemory } from "./memoryLimits.ts";
import { CONTROL_BYTES, ThreadPool } from "./threadPool.ts";
import { QUEUE_BYTES } from "./queueWorker.ts";
import { ThreadQueue } from "./threadQueue.ts";
import type { WasmCall, WasmPass } from "./wasm.ts";

/** The compiled kernels and the first address that they leave to tensors. */
export interface WasmKernels {
  readonly functions: Readonly<Record<string, (...args: number[]) => void>>;
  readonly heapBase: number;
}

const NO_LIMITS: MemoryLimits = { eachBytes: MOST_BYTES, totalBytes: Infinity };

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly packBytes = null;
  liveTensors = 0;
  dispatches = 0;
  readonly #shared: WebAssembly.Memory;
  readonly #memory: CpuMemory;
  readonly #wasm: WasmKernels | null;
  readonly #functionIndex: ReadonlyMap<string, number>;
  readonly #limits: MemoryLimits;
  #pool: ThreadPool | null = null;
  /** In place of a pool where kernels run while the calling thread goes on. Then whoever looks at memory drains it first. */
  #queue: ThreadQueue | null = null;
  /** Level 2 of the debug ladder: how the kernel at hand runs. */
  #details: string[] | null = null;
  /** Gets the calls of kernels while they are recorded. */
  #recorder: CpuRecorder | null = null;
  #closed = false;

  /** @param wasm null runs every kernel's TypeScript body, as the tests of those bodies do */
  constructor(memory: WebAssembly.Memory, wasm: WasmKernels | null, limits = NO_LIMITS) {
    this.#shared = memory;
    this.#memory = new CpuMemory(memory, wasm?.heapBase ?? 64, limits);
    this.#wasm = wasm;
    this.#limits = limits;
    this.#functionIndex = new Map(Object.keys(wasm?.functions ?? {}).map((name, i) => [name, i]));
  }

  get bodies(): "wasm" | "plain" {
    return this.#wasm ? "wasm" : "plain";
  }

  /** Threads that share large kernels, the calling one included unless it goes on meanwhile. */
  get threads(): number {
    return this.#queue?.threads ?? this.#pool?.threads ?? 1;
  }

  /** Starts workers so that `threads` compute. @param module the kernels this device was made with */
  async startThreads(threads: number, module: WebAssembly.Module, script?: string): Promise<void> {
    invariant(
      this.#wasm && !this.#pool,
      () => "threads are started once, with WebAssembly kernels",
    );
    if (threads === 1) return;
    const control = this.#zeroed(CONTROL_BYTES);
    const { functions } = this.#wasm;
    this.#pool = await ThreadPool.start(threads, module, this.#shared, control, functions, script);
  }

  /** Starts `threads` workers that compute while the calling thread goes on. @param module as for startThreads */
  async startBackground(
    threads: number,
    module: WebAssembly.Module,
    script?: string,
  ): Promise<void> {
    invariant(this.#wasm && !this.#pool, () => "threads are started once, with kernels");
    const control = this.#zeroed(QUEUE_BYTES);
    const { functions } = this.#wasm;
    const queue = await ThreadQueue.start(
      threads,
      module,
      this.#shared,
      control,
      functions,
      script,
    );
    this.#memory.beforeMove = () => queue.drain();
    this.#queue = queue;
  }

  /** Address of zeros that never move. */
  #zeroed(bytes: number): number {
    const address = this.#memory.allocateFixed(bytes);
    if (address === null) throw this.#outOfMemory(bytes);
    new Uint8Array(this.#shared.buffer, address, bytes).fill(0);
    return address;
  }

  /** Bytes moved between memories so far; 0 while everything fits into the first. */
  get movedBytes(): number {
    return this.#memory.movedBytes;
  }

  allocate(bytes: number): CpuStorage {
    return this.#allocate(bytes);
  }

  #allocate(bytes: number, pinned?: ReadonlySet<Block>): CpuStorage {
    this.#check();
    const make = (): CpuStorage => {
      const storage = this.#memory.allocate(bytes, pinned);
      if (storage === null) throw this.#outOfMemory(bytes);
      return storage;
    };
    return this.#recorder?.allocate(bytes, make) ?? make();
  }

  write(storage: Storage, dtype: Dtype, values: StorageArray): void {
    this.#check();
    this.#recorder?.giveUp();
    const at = storageOf(storage);
    if (this.#queue?.idle === false && this.#memory.isNear(at.block)) {
      const { buffer, byteOffset, byteLength } = values;
      if (this.#queue.stage(new Uint8Array(buffer, byteOffset, byteLength), at.offset)) return;
    }
    this.#view(storage, dtype, storedSize(dtype, values)).set(values);
  }

  fillZero(storage: Storage): void {
    this.#check();
    this.#recorder?.giveUp();
    const at = storageOf(storage);
    if (this.#queue && this.#memory.isNear(at.block)) this.#queue.fill(at.offset, at.byteLength);
    else this.#view(storage, "u32", storage.byteLength / 4).fill(0);
  }

  async read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray> {
    if (this.#queue) return fromStorage(dtype, await this.readStored(storage, dtype, size));
    return fromStorage(dtype, this.#view(storage, dtype, size));
  }

  peek(storage: Storage, dtype: Dtype, size: number): StorageArray | null {
    if (this.#closed || this.#queue?.idle === false) return null;
    return this.#memory.view(storageOf(storage), dtype, size);
  }

  async readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray> {
    this.#check();
    if (this.#queue?.idle === false) return this.#readLater(this.#queue, storage, dtype, size);
    this.#queue?.check();
    // slice() of a shared memory gives a copy in memory of its own.
    return this.#view(storage, dtype, size).slice();
  }

  pin(storage: Storage, dtype: Dtype, size: number): PinnedArray {
    const { block } = storageOf(storage);
    block.pins++;
    return { array: this.#view(storage, dtype, size), release: () => void block.pins-- };
  }

  /** What the storage holds once the queue has come here; later jobs may write to it meanwhile. */
  async #readLater(
    queue: ThreadQueue,
    storage: Storage,
    dtype: Dtype,
    size: number,
  ): Promise<StorageArray> {
    const source = storageOf(storage);
    const copy = this.#memory.isNear(source.block)
      ? this.#memory.allocate(source.byteLength, new Set([source.block]))
      : null;
    if (copy === null) {
      queue.drain();
      queue.check();
      return this.#view(storage, dtype, size).slice();
    }
    queue.copy(source.offset, copy.offset, source.byteLength);
    try {
      await queue.done();
      return this.#memory.view(copy, dtype, size).slice();
    } finally {
      copy.release();
    }
  }

  dispatch(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    this.#check();
    this.dispatches++;
    if (debugLevel() > 0) this.#executeTraced(kernel, tensors, params, constants);
    else this.#execute(kernel, tensors, params, constants);
  }

  record(work: () => void): Recording | null {
    this.#check();
    const recorder = new CpuRecorder(this.#memory);
    const before = this.dispatches;
    this.#recorder = recorder;
    try {
      work();
    } catch (error) {
      recorder.dispose();
      throw error;
    } finally {
      this.#recorder = null;
    }
    const dispatches = this.dispatches - before;
    return recorder.finish(() => {
      // The debug ladder tells of kernels one by one.
      if (this.#closed || debugLevel() > 0) return false;
      this.dispatches += dispatches;
      return true;
    });
  }

  #executeTraced(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    const write = debugWriter();
    const details = debugLevel() >= 2 ? [] : null;
    const call = describeCall("cpu", kernel, tensors, params);
    this.#details = details;
    this.#queue?.drain();
    const begun = performance.now();
    try {
      this.#execute(kernel, tensors, params, constants);
      this.#queue?.drain();
    } finally {
      this.#details = null;
    }
    write(kernelLine(call, performance.now() - begun));
    for (const detail of details ?? []) write(`  ${detail}`);
  }

  #execute(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    const bindings = [...Object.keys(kernel.inputs), ...Object.keys(kernel.outputs)];
    const usesDoubles = bindings.some((name) => tensors[name]?.dtype === "f64");
    if (kernel.wasm && this.#wasm && !usesDoubles) {
      this.#checkArguments(kernel, bindings, tensors, params);
      const call = { params, constants, tensors, threads: this.threads };
      for (const pass of passesOf(kernel.wasm, call)) this.#runPass(kernel, pass, call, tensors);
      return;
    }
    this.#recorder?.giveUp();
    this.#details?.push("plain body, 1 thread");
    if (this.#queue) {
      const views = this.#laterArrays(bindings, tensors);
      this.#queue.host(() => kernel.plain(views(), params, constants));
      return;
    }
    kernel.plain(this.#arrays(bindings, tensors), params, constants);
  }

  /** What runs later is checked where it runs. */
  #checkArguments(
    { wasm }: KernelDescription,
    bindings: readonly string[],
    tensors: KernelTensors,
    params: KernelParams,
  ): void {
    if (this.#queue || !wasm?.check) return;
    const arrays = this.#laterArrays(bindings, tensors);
    const check = (): void => wasm.check!(arrays(), params);
    check();
    this.#recorder?.add(check, []);
  }

  async sync(): Promise<void> {
    this.#check();
    await this.#queue?.done();
  }

  fence(): () => Promise<void> {
    this.#check();
    const done = this.#queue?.done();
    done?.catch(() => undefined); // Whoever waits is told.
    return () => done ?? this.sync();
  }

  async warmUp(): Promise<void> {}

  memory(): MemoryStats {
    return {
      tensors: this.liveTensors,
      bytes: this.#memory.bytes,
      pooledBytes: this.#memory.freeBytes,
      peakBytes: this.#memory.peakBytes,
    };
  }

  resetPeak(): void {
    this.#memory.resetPeak();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const threads = this.#pool ?? this.#queue;
    [this.#pool, this.#queue] = [null, null];
    // A memory that a thread may still read is no memory for another device.
    if ((await threads?.stop()) !== false) this.#memory.close();
  }

  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }

  /** @throws {DeviceError} once the device was closed: its memory may be another device's */
  #check(): void {
    if (this.#closed) throw new DeviceError("cpu: the device was closed. Open another one.");
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
    this.#details?.push(`${passText(call, pass)}${streams ? ", in windows" : ""}`);
    if (streams) {
      this.#recorder?.giveUp();
      this.#stream(call, bound, Object.keys(kernel.inputs).length, units);
      return;
    }
    // Nobody knows yet which thread will run what is queued.
    const scratchBytes = call.scratchBytes * (this.#queue ? this.threads : call.threads);
    const scratch = scratchBytes > 0 ? this.allocate(scratchBytes) : null;
    if (scratch) blocks.add(scratch.block);
    this.#bringNear(blocks);
    const storages = bound.map((x) => x && storageOf(x.storage));
    const addresses = storages.map((storage) => storage?.offset ?? 0);
    const run = this.#prepare(call, addresses, units, scratch?.offset ?? 0);
    run();
    this.#recorder?.add(run, storages);
    scratch?.release();
  }

  #bringNear(blocks: ReadonlySet<Block>): void {
    const missing = [...blocks].filter((block) => !this.#memory.isNear(block));
    if (missing.length === 0 || this.#memory.bringNear(blocks)) return;
    throw this.#outOfMemory(missing.reduce((sum, { byteLength }) => sum + byteLength, 0));
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
    this.#queue?.drain();
    runInWindows(
      this.#memory,
      { bound, inputs, units, pinned },
      {
        allocate: (bytes) => this.#allocate(bytes, pinned),
        run: (addresses, count) => {
          this.#prepare(call, addresses, count, 0)();
          this.#queue?.drain();
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
  ): () => void {
    const run = this.#wasm?.functions[name];
    invariant(run, () => `no WebAssembly function ${name}`);
    const args = [...selector, ...addresses, ...scalars];
    const [pool, queue] = [this.#pool, this.#queue];
    if (queue || threads > 1) {
      const functionIndex = this.#functionIndex.get(name)!;
      const job = { functionIndex, args, units, scratchBytes, scratch };
      return queue ? () => queue.run(job, threads > 1) : pool!.prepare(job);
    }
    const all = scratch ? [...args, 0, units, scratch] : [...args, 0, units];
    return () => run(...all);
  }

  #arrays(bindings: readonly string[], tensors: KernelTensors): KernelArrays {
    const arrays: Record<string, StorageArray | null> = {};
    for (const name of bindings) {
      const x = tensors[name] ?? null;
      arrays[name] = x && this.#view(x.storage, x.dtype, x.size);
    }
    return arrays;
  }

  /** The same when a job has its turn: its storages are where they are now, released or not. */
  #laterArrays(bindings: readonly string[], tensors: KernelTensors): () => KernelArrays {
    const bound = bindings.map((name) => {
      const x = tensors[name] ?? null;
      return [name, x && { storage: storageOf(x.storage), dtype: x.dtype, size: x.size }] as const;
    });
    return () =>
      Object.fromEntries(
        bound.map(([name, x]) => [name, x && this.#memory.view(x.storage, x.dtype, x.size)]),
      );
  }

  #view(storage: Storage, dtype: Dtype, size: number): StorageArray {
    this.#check();
    this.#queue?.drain();
    return this.#memory.view(storageOf(storage), dtype, size);
  }

  /** @param bytes that were asked for */
  #outOfMemory(bytes: number): DeviceError {
    return outOfMemory(this.#limits, this.#memory.bytes, bytes);
  }
}
