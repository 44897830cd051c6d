// The cpu device: tensors live in WebAssembly memory, so that WebAssembly kernels read and write them in place, and
// TypeScript bodies through typed-array views made per call (a view kept across a growth of the memory would be
// stale). What does not fit into one memory lies in others (cpuMemory.ts).

import { CpuKernels, type WasmKernels } from "./cpuKernels.ts";
import { CpuMemory, type Block, type CpuStorage, type MemoryLimits } from "./cpuMemory.ts";
import { CpuRecorder } from "./cpuRecording.ts";
import { storageOf } from "./cpuWindows.ts";
import { debugLevel, debugWriter, describeCall, kernelLine } from "./debug.ts";
import type {
  Device,
  KernelDescription,
  KernelParams,
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

const NO_LIMITS: MemoryLimits = { eachBytes: MOST_BYTES, totalBytes: Infinity };

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly packBytes = null;
  liveTensors = 0;
  dispatches = 0;
  readonly #shared: WebAssembly.Memory;
  readonly #memory: CpuMemory;
  readonly #kernels: CpuKernels;
  readonly #limits: MemoryLimits;
  #closed = false;

  /** @param wasm null runs every kernel's TypeScript body, as the tests of those bodies do */
  constructor(memory: WebAssembly.Memory, wasm: WasmKernels | null, limits = NO_LIMITS) {
    this.#shared = memory;
    this.#memory = new CpuMemory(memory, wasm?.heapBase ?? 64, limits);
    this.#kernels = new CpuKernels(this.#memory, wasm, {
      allocate: (bytes, pinned) => this.#allocate(bytes, pinned),
      outOfMemory: (bytes) => this.#outOfMemory(bytes),
    });
    this.#limits = limits;
  }

  get bodies(): "wasm" | "plain" {
    return this.#kernels.wasm ? "wasm" : "plain";
  }

  hasBody({ wasm }: KernelDescription): boolean {
    return this.bodies === "plain" || wasm !== undefined;
  }

  /** Threads that share large kernels, the calling one included unless it goes on meanwhile. */
  get threads(): number {
    return this.#kernels.threads;
  }

  /** Starts workers so that `threads` compute. @param module the kernels this device was made with */
  async startThreads(threads: number, module: WebAssembly.Module, script?: string): Promise<void> {
    if (threads === 1) return;
    const [control, functions] = this.#sharedWithThreads(CONTROL_BYTES);
    const shared = [module, this.#shared, control, functions, script] as const;
    this.#kernels.pool = await ThreadPool.start(threads, ...shared);
  }

  /** Starts `threads` workers that compute while the calling thread goes on. @param module as for startThreads */
  async startBackground(
    threads: number,
    module: WebAssembly.Module,
    script?: string,
  ): Promise<void> {
    const [control, functions] = this.#sharedWithThreads(QUEUE_BYTES);
    const shared = [module, this.#shared, control, functions, script] as const;
    const queue = await ThreadQueue.start(threads, ...shared);
    this.#memory.beforeMove = () => queue.drain();
    this.#kernels.queue = queue;
  }

  /** Address of the block of so many bytes that threads are controlled by, and what they can run. */
  #sharedWithThreads(bytes: number): [control: number, functions: WasmKernels["functions"]] {
    const { wasm, pool } = this.#kernels;
    invariant(wasm && !pool, () => "threads are started once, with WebAssembly kernels");
    return [this.#zeroed(bytes), wasm.functions];
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
    return this.#kernels.recorder?.allocate(bytes, make) ?? make();
  }

  write(storage: Storage, dtype: Dtype, values: StorageArray): void {
    this.#check();
    this.#kernels.recorder?.giveUp();
    const at = storageOf(storage);
    if (this.#kernels.queue?.idle === false && this.#memory.isNear(at.block)) {
      const { buffer, byteOffset, byteLength } = values;
      if (this.#kernels.queue.stage(new Uint8Array(buffer, byteOffset, byteLength), at.offset))
        return;
    }
    this.#view(storage, dtype, storedSize(dtype, values)).set(values);
  }

  fillZero(storage: Storage): void {
    this.#check();
    this.#kernels.recorder?.giveUp();
    const at = storageOf(storage);
    if (this.#kernels.queue && this.#memory.isNear(at.block))
      this.#kernels.queue.fill(at.offset, at.byteLength);
    else this.#view(storage, "u32", storage.byteLength / 4).fill(0);
  }

  async read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray> {
    if (this.#kernels.queue) return fromStorage(dtype, await this.readStored(storage, dtype, size));
    return fromStorage(dtype, this.#view(storage, dtype, size));
  }

  peek(storage: Storage, dtype: Dtype, size: number): StorageArray | null {
    if (this.#closed || this.#kernels.queue?.idle === false) return null;
    return this.#memory.view(storageOf(storage), dtype, size);
  }

  async readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray> {
    this.#check();
    if (this.#kernels.queue?.idle === false)
      return this.#readLater(this.#kernels.queue, storage, dtype, size);
    this.#kernels.queue?.check();
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
    else this.#kernels.execute(kernel, tensors, params, constants);
  }

  record(work: () => void): Recording | null {
    this.#check();
    const recorder = new CpuRecorder(this.#memory);
    const before = this.dispatches;
    this.#kernels.recorder = recorder;
    try {
      work();
    } catch (error) {
      recorder.dispose();
      throw error;
    } finally {
      this.#kernels.recorder = null;
    }
    const dispatches = this.dispatches - before;
    const begin = (): boolean => {
      // The debug ladder tells of kernels one by one.
      if (this.#closed || debugLevel() > 0) return false;
      this.dispatches += dispatches;
      return true;
    };
    return recorder.finish(begin, (jobs) => this.#kernels.pool!.prepare(jobs));
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
    this.#kernels.details = details;
    this.#kernels.queue?.drain();
    const begun = performance.now();
    try {
      this.#kernels.execute(kernel, tensors, params, constants);
      this.#kernels.queue?.drain();
    } finally {
      this.#kernels.details = null;
    }
    write(kernelLine(call, performance.now() - begun));
    for (const detail of details ?? []) write(`  ${detail}`);
  }

  async sync(): Promise<void> {
    this.#check();
    await this.#kernels.queue?.done();
  }

  fence(): () => Promise<void> {
    this.#check();
    const done = this.#kernels.queue?.done();
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
    const threads = this.#kernels.pool ?? this.#kernels.queue;
    [this.#kernels.pool, this.#kernels.queue] = [null, null];
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

  #view(storage: Storage, dtype: Dtype, size: number): StorageArray {
    this.#check();
    this.#kernels.queue?.drain();
    return this.#memory.view(storageOf(storage), dtype, size);
  }

  /** @param bytes that were asked for */
  #outOfMemory(bytes: number): DeviceError {
    return outOfMemory(this.#limits, this.#memory.bytes, bytes);
  }
}
