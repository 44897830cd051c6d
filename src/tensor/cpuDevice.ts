// The cpu device: tensors live in one WebAssembly memory, so that WebAssembly kernels read and write
// them in place, and TypeScript bodies through typed-array views made per call (a view kept across a
// growth of the memory would be stale).

import { Allocator } from "./allocator.ts";
import type {
  Device,
  KernelDescription,
  KernelParams,
  KernelTensors,
  MemoryStats,
  Storage,
  WasmBody,
} from "./device.ts";
import { SLICE_ALIGNMENT } from "./device.ts";
import type { DataArray, Dtype, StorageArray } from "./dtype.ts";
import { fromStorage, storageView } from "./dtype.ts";
import { DeviceError, invariant } from "./errors.ts";
import type { Tensor } from "./tensor.ts";
import { CONTROL_BYTES, ThreadPool } from "./threadPool.ts";

const PAGE = 65536;
/** Pages of a 32-bit WebAssembly memory: 4 GiB. */
const MAX_PAGES = 65536;
/**
 * Elements that a kernel must touch before threads share it. Below, waking a thread costs more than it saves
 * (bench/threads.ts).
 */
const WORTH_SHARING = 16384;

/** The compiled kernels and the first address that they leave to tensors. */
export interface WasmKernels {
  readonly functions: Readonly<Record<string, (...args: number[]) => void>>;
  readonly heapBase: number;
}

class CpuStorage implements Storage {
  readonly offset: number;
  readonly byteLength: number;
  readonly #free: (storage: CpuStorage) => void;
  #references = 1;

  constructor(offset: number, byteLength: number, free: (storage: CpuStorage) => void) {
    this.offset = offset;
    this.byteLength = byteLength;
    this.#free = free;
  }

  get shared(): boolean {
    return this.#references > 1;
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    invariant(this.#references > 0, () => "storage released more often than retained");
    if (--this.#references === 0) this.#free(this);
  }

  slice(byteOffset: number, byteLength: number): CpuStorage {
    const fits = byteOffset % SLICE_ALIGNMENT === 0 && byteOffset + byteLength <= this.byteLength;
    invariant(fits, () => `no slice of ${byteLength} bytes at ${byteOffset} of ${this.byteLength}`);
    this.retain();
    return new CpuStorage(this.offset + byteOffset, byteLength, () => this.release());
  }
}

/** Makes the memory that a CpuDevice and its kernels share. */
export function createMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 16, maximum: MAX_PAGES, shared: true });
}

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly packBytes = null;
  liveTensors = 0;
  dispatches = 0;
  readonly #memory: WebAssembly.Memory;
  readonly #wasm: WasmKernels | null;
  readonly #allocator: Allocator;
  readonly #functionIndex: ReadonlyMap<string, number>;
  #pool: ThreadPool | null = null;
  #bytes = 0;
  #peakBytes = 0;
  #closed = false;

  /** @param wasm null runs every kernel's TypeScript body, as the tests of those bodies do */
  constructor(memory: WebAssembly.Memory, wasm: WasmKernels | null) {
    this.#memory = memory;
    this.#wasm = wasm;
    this.#allocator = new Allocator(wasm?.heapBase ?? 64, (end) => this.#growTo(end));
    this.#functionIndex = new Map(Object.keys(wasm?.functions ?? {}).map((name, i) => [name, i]));
  }

  /** Threads that share large kernels, the calling one included. */
  get threads(): number {
    return this.#pool?.threads ?? 1;
  }

  /** Starts workers so that `threads` compute. @param module the kernels this device was made with */
  async startThreads(threads: number, module: WebAssembly.Module): Promise<void> {
    invariant(
      this.#wasm && !this.#pool,
      () => "threads are started once, with WebAssembly kernels",
    );
    if (threads === 1) return;
    const control = this.#allocator.allocate(CONTROL_BYTES);
    if (control === null) throw this.#outOfMemory(CONTROL_BYTES);
    new Uint8Array(this.#memory.buffer, control, CONTROL_BYTES).fill(0);
    const { functions } = this.#wasm;
    this.#pool = await ThreadPool.start(threads, module, this.#memory, control, functions);
  }

  allocate(bytes: number): Storage {
    const offset = this.#closed ? null : this.#allocator.allocate(bytes);
    if (offset === null) throw this.#outOfMemory(bytes);
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    return new CpuStorage(offset, bytes, (storage) => {
      this.#allocator.free(storage.offset);
      this.#bytes -= storage.byteLength;
    });
  }

  write(storage: Storage, dtype: Dtype, values: StorageArray): void {
    this.#view(storage, dtype, values.length).set(values);
  }

  fillZero(storage: Storage): void {
    this.#view(storage, "u32", storage.byteLength / 4).fill(0);
  }

  async read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray> {
    return fromStorage(dtype, this.#view(storage, dtype, size));
  }

  async readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray> {
    // slice() of a shared memory gives a copy in memory of its own.
    return this.#view(storage, dtype, size).slice();
  }

  dispatch(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    this.dispatches++;
    const bindings = [...Object.keys(kernel.inputs), ...Object.keys(kernel.outputs)];
    const usesDoubles = bindings.some((name) => tensors[name]?.dtype === "f64");
    if (kernel.wasm && this.#wasm && !usesDoubles) {
      this.#dispatchWasm(kernel, kernel.wasm, bindings, tensors, params, constants);
      return;
    }
    const arrays: Record<string, StorageArray | null> = {};
    for (const name of bindings) {
      const x = tensors[name] ?? null;
      arrays[name] = x && this.#view(x.storage, x.dtype, x.size);
    }
    kernel.cpu(arrays, params, constants);
  }

  async sync(): Promise<void> {}

  async warmUp(): Promise<void> {}

  memory(): MemoryStats {
    return {
      tensors: this.liveTensors,
      bytes: this.#bytes,
      pooledBytes: this.#allocator.freeBytes,
      peakBytes: this.#peakBytes,
    };
  }

  resetPeak(): void {
    this.#peakBytes = this.#bytes;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.stop();
    this.#pool = null;
  }

  #dispatchWasm(
    kernel: KernelDescription,
    body: WasmBody,
    bindings: readonly string[],
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    const run = this.#wasm?.functions[body.name];
    invariant(run, () => `kernel ${kernel.name}: no WebAssembly function ${body.name}`);
    const pointer = (x: Tensor | null | undefined): number => (x ? offsetOf(x.storage) : 0);
    const args = bindings.map((name) => pointer(tensors[name]));
    for (const name of Object.keys(kernel.params)) args.push(params[name]!);
    for (const name of Object.keys(kernel.constants)) args.push(constants[name]!);
    const pieces = body.range(params);
    const touched = bindings.reduce((sum, name) => sum + (tensors[name]?.size ?? 0), 0);
    const pool = touched >= WORTH_SHARING && pieces > 1 ? this.#pool : null;
    const scratchBytes = roundToCacheLines(body.scratch?.(params) ?? 0);
    const scratch = scratchBytes > 0 ? this.allocate(scratchBytes * (pool?.threads ?? 1)) : null;
    const address = scratch ? offsetOf(scratch) : 0;
    if (pool) {
      const functionIndex = this.#functionIndex.get(body.name)!;
      pool.run({ functionIndex, args, pieces, scratchBytes, scratch: address });
    } else if (scratch) run(...args, 0, pieces, address);
    else run(...args, 0, pieces);
    scratch?.release();
  }

  #view(storage: Storage, dtype: Dtype, size: number): StorageArray {
    return storageView(dtype, this.#memory.buffer, offsetOf(storage), size);
  }

  #growTo(end: number): boolean {
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    const pages = this.#memory.buffer.byteLength / PAGE;
    if (pages + missing > MAX_PAGES) return false;
    // Grow by an eighth at least: growing is a system call, and a training step grows often at first.
    const step = Math.min(Math.max(missing, pages >> 3), MAX_PAGES - pages);
    try {
      this.#memory.grow(step);
    } catch {
      return false;
    }
    return true;
  }

  #outOfMemory(bytes: number): DeviceError {
    if (this.#closed) return new DeviceError("cpu: the device was closed. Open another one.");
    const held = (this.#bytes / 2 ** 30).toFixed(2);
    return new DeviceError(
      `cpu: tensors must fit in 4 GiB of WebAssembly memory, got a request for ${bytes} bytes with ${held} GiB in use. ` +
        "Use a smaller batch, shorter sequences, gradient checkpointing or LoRA.",
    );
  }
}

function offsetOf(storage: Storage): number {
  invariant(storage instanceof CpuStorage, () => "storage of another device");
  return storage.offset;
}

/** Threads that write to one cache line slow each other down. */
function roundToCacheLines(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
