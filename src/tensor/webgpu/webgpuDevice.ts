// The webgpu device: storage is a GPU buffer from a pool, a kernel's dispatch is recorded in the command queue, and values
// come back through a staging buffer. Nothing waits for the GPU but read and sync; there errors surface, too.

import { debugLevel } from "../debug.ts";
import type {
  Device,
  KernelDescription,
  KernelParams,
  KernelTensors,
  MemoryStats,
  Recording,
  Storage,
} from "../device.ts";
import { asyncDisposeSymbol } from "../disposal.ts";
import type { DataArray, Dtype, StorageArray } from "../dtype.ts";
import { byteLength, fromStorage, storageView } from "../dtype.ts";
import { DeviceError, DeviceLostError, OutOfMemoryError } from "../errors.ts";
import type { AdapterFacts } from "../wgsl.ts";
import { BoundTensors, type Extra } from "./boundTensors.ts";
import { BufferPool, type PooledBuffer } from "./bufferPool.ts";
import { CommandQueue } from "./commandQueue.ts";
import { refuseDoubles } from "./launch.ts";
import { patiently } from "./patience.ts";
import { PipelineCache, type Pipeline } from "./pipelines.ts";
import { PreparedCalls, type PreparedCall } from "./preparedCalls.ts";
import { Profiler, type DispatchTime } from "./profiler.ts";
import { Readback } from "./readback.ts";
import { WebGpuRecorder } from "./recording.ts";
import { WebGpuStorage, webGpuStorage } from "./storage.ts";
import { Traces, type Trace } from "./traces.ts";

export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly threads = 1;
  readonly bodies = "wgsl";
  readonly adapter: AdapterFacts;
  liveTensors = 0;
  dispatches = 0;
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #pipelines: PipelineCache;
  readonly #calls: PreparedCalls;
  readonly #queue: CommandQueue;
  readonly #readback: Readback;
  readonly #bound: BoundTensors;
  #bytes = 0;
  #peakBytes = 0;
  #failure: Error | null = null;
  #closed = false;
  /** While set, dispatches compile their pipelines and do not run. */
  #warming: Set<Pipeline> | null = null;
  /** While set, what is dispatched is noted, to be given again. */
  #recorder: WebGpuRecorder | null = null;
  /** Lacks of memory that were got over: what was recorded before may have lost its buffers. */
  #recoveries = 0;
  /** Set once the debug ladder was on. */
  #traces: Traces | null = null;
  /** The GPU device holds it, so it would hold this object, and with it the GPU device, for good. */
  readonly #onError = ({ error }: GPUUncapturedErrorEvent): void =>
    this.#fail(new Error(`internal: webgpu: ${error.message}`));

  constructor(device: GPUDevice, adapter: AdapterFacts) {
    this.#device = device;
    this.adapter = adapter;
    const fail = (error: Error): void => this.#fail(error);
    this.#queue = new CommandQueue(device, fail);
    this.#pool = new BufferPool(device, {
      isSubmitted: (buffer) => this.#queue.isSubmitted(buffer),
      forget: (buffer) => this.#queue.forget(buffer),
      fail,
    });
    this.#pipelines = new PipelineCache(device);
    this.#calls = new PreparedCalls(this.#pipelines, adapter);
    this.#readback = new Readback(device);
    this.#bound = new BoundTensors(this.#pool, adapter.bindingBytes);
    device.addEventListener("uncapturederror", this.#onError);
    void device.lost.then(({ message }) => {
      if (this.#closed) return;
      const reason = message.replace(/\.+$/, "") || "no reason given";
      fail(
        new DeviceLostError(
          `webgpu: the GPU must stay with us, got it lost: ${reason}. Open the device again and reload the model.`,
        ),
      );
    });
  }

  get packBytes(): number {
    return Math.min(this.adapter.bindingBytes, this.adapter.bufferBytes);
  }

  /** Pipelines compiled so far, or being compiled. */
  get pipelines(): number {
    return this.#pipelines.size;
  }

  readonly hasBody = ({ wgsl }: KernelDescription): boolean => wgsl !== undefined;

  allocate(bytes: number): Storage {
    this.#check();
    return this.#allocate(bytes);
  }

  write(storage: Storage, dtype: Dtype, values: StorageArray): void {
    this.#check();
    refuseDoubles("tensor", dtype);
    this.#recorder?.giveUp();
    if (values.length > 0) this.#queue.write(webGpuStorage(storage), wholeWords(values));
  }

  fillZero(storage: Storage): void {
    this.#check();
    if (storage.byteLength === 0) return;
    const cleared = webGpuStorage(storage);
    this.#queue.clear(cleared, storage.byteLength);
    this.#recorder?.uses(cleared);
    this.#recorder?.add(() => this.#queue.clear(cleared, storage.byteLength));
  }

  async read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray> {
    return fromStorage(dtype, await this.readStored(storage, dtype, size));
  }

  peek(): null {
    return null;
  }

  pin(): null {
    return null; // a GPU's memory is not the host's
  }

  async readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray> {
    this.#check();
    const bytes = byteLength(dtype, size);
    if (bytes === 0) return storageView(dtype, new ArrayBuffer(0), 0, 0);
    const source = webGpuStorage(storage);
    const read = this.#readback.read(source, bytes, this.#queue, () => this.#queue.flush());
    return storageView(dtype, await this.#settle(read), 0, size);
  }

  dispatch(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    this.#check();
    const call = this.#calls.get(kernel, tensors, params, constants);
    this.dispatches++;
    if (this.#warming) {
      for (const { pipeline } of call.passes) this.#warming.add(pipeline);
      return;
    }
    const extra = this.#extraStorage(kernel, tensors, call);
    if (this.#recorder) noteUses(this.#recorder, tensors, extra);
    const trace = debugLevel() > 0 ? this.#trace(kernel, tensors, params, call, extra) : null;
    let nextPass = 0;
    for (const pass of call.passes) {
      const { pipeline, grid, params: packed } = pass;
      const bound = this.#bound.of(kernel, pass, tensors, extra);
      const slot = packed && this.#queue.params.put(packed, params);
      this.#recorder?.addDispatch({ pipeline, bound, params: packed, values: params, grid });
      this.#queue.dispatch(pipeline, bound, slot, grid, trace && trace.timing(nextPass++));
    }
    if (extra) for (const storage of extra.values()) storage.release();
    if (trace) this.#traces?.add(trace);
  }

  record(work: () => void): Recording | null {
    this.#check();
    const recoveries = this.#recoveries;
    const recorder = new WebGpuRecorder({
      queue: this.#queue,
      give: (buffer) => this.#pool.give(buffer),
      begin: (kernels) => {
        const stands = !this.#closed && !this.#failure && this.#recoveries === recoveries;
        // The debug ladder tells of kernels one by one, and a warm-up runs none.
        if (!stands || debugLevel() > 0 || this.#warming) return false;
        this.dispatches += kernels;
        return true;
      },
    });
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
    if (this.#warming) recorder.giveUp();
    return recorder.finish(this.dispatches - before);
  }

  async sync(): Promise<void> {
    await this.fence()();
  }

  fence(): () => Promise<void> {
    this.#check();
    const done = this.#queue.flush().then(() => this.#device.queue.onSubmittedWorkDone());
    done.catch(() => undefined); // Whoever waits is told.
    return () => this.#settle(done);
  }

  async warmUp(record: () => void): Promise<void> {
    this.#check();
    const pipelines = new Set<Pipeline>();
    this.#warming = pipelines;
    try {
      record();
    } finally {
      this.#warming = null;
    }
    await this.#settle(Promise.all([...pipelines].map(({ ready }) => ready)));
    for (const { error } of pipelines) if (error) this.#fail(error);
    this.#check();
  }

  /**
   * Runs `work` and gives the GPU time of each of its dispatches, in order. Meanwhile no two dispatches share a compute
   * pass, which costs time of its own.
   * @throws {DeviceError} where the adapter has no timestamps
   */
  async profile(work: () => Promise<void> | void): Promise<DispatchTime[]> {
    if (!this.adapter.features.has("timestamp-query")) {
      throw new DeviceError(
        "profile: the adapter must have timestamp-query, got one without. Measure with sync() instead.",
      );
    }
    await this.sync();
    const profiler = new Profiler(this.#device);
    this.#queue.profiler = profiler;
    try {
      await work();
      await this.sync();
    } finally {
      this.#queue.profiler = null;
    }
    return this.#settle(profiler.finish());
  }

  /** Asks plans again from the next call of every kernel on: for those who change what plans go by, as tuning does. */
  forgetPlans(): void {
    this.#calls.forget();
  }

  memory(): MemoryStats {
    return {
      tensors: this.liveTensors,
      bytes: this.#bytes,
      pooledBytes: this.#pool.freeBytes,
      peakBytes: this.#peakBytes,
    };
  }

  resetPeak(): void {
    this.#peakBytes = this.#bytes;
  }

  async close(): Promise<void> {
    if (this.#traces && !this.#closed) await this.#printTraces(this.#traces);
    this.#closed = true;
    this.#device.removeEventListener("uncapturederror", this.#onError);
    this.#device.destroy();
  }

  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }

  /** @throws what went wrong before on this device: results since then cannot be trusted */
  #check(): void {
    if (this.#closed) throw new DeviceError("webgpu: the device was closed. Open another one.");
    if (this.#failure) throw this.#failure;
  }

  async recover(): Promise<OutOfMemoryError | null> {
    // What was recorded with buffers that got no memory is refused, too.
    await patiently(this.#queue.flush()).catch(() => undefined);
    await patiently(Promise.all([this.#queue.proven(), this.#pool.proven()]));
    if (!(this.#failure instanceof OutOfMemoryError)) return null;
    const lack = this.#failure;
    this.#failure = null;
    this.#recoveries++;
    return lack;
  }

  /** The first error counts; but that a buffer got no memory is told after what it spoiled. */
  #fail(error: Error): void {
    const isCause =
      error instanceof OutOfMemoryError && !(this.#failure instanceof DeviceLostError);
    if (this.#failure === null || isCause) this.#failure = error;
  }

  /** Waits for work of the GPU, and until it is known whether what was submitted was valid. */
  async #settle<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await patiently(work);
      await patiently(Promise.all([this.#queue.proven(), this.#pool.proven()]));
      this.#check();
      await this.#traces?.drain();
      return result;
    } catch (error) {
      // What was reported first is the cause; a map that was cut off by it only follows.
      await patiently(Promise.all([this.#queue.proven(), this.#pool.proven()]));
      this.#fail(error instanceof Error ? error : new DeviceError(String(error)));
      this.#check();
      throw error;
    }
  }

  #trace(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    call: PreparedCall,
    extra: Extra | null,
  ): Trace {
    this.#traces ??= new Traces(this.#device, this.adapter.features.has("timestamp-query"));
    const copied = Object.keys(kernel.inputs).filter((name) => extra?.has(name));
    return this.#traces.trace(kernel, tensors, params, call, copied);
  }

  /** Prints what was dispatched, without times where the device has failed. */
  async #printTraces(traces: Traces): Promise<void> {
    if (!this.#failure) await this.sync().catch(() => undefined); // A failure belongs to what failed, not to close().
    traces.printAll();
  }

  #allocate(bytes: number): WebGpuStorage {
    const take = (): PooledBuffer => this.#pool.take(bytes);
    const recorder = this.#recorder;
    const buffer = recorder ? recorder.take(bytes, take) : take();
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    return new WebGpuStorage(buffer, 0, bytes, (storage) => {
      this.#bytes -= storage.byteLength;
      if (recorder) recorder.give(storage.buffer);
      else this.#pool.give(storage.buffer);
    });
  }

  /**
   * Temporaries of the plan, and copies of inputs that share a buffer with an output: WebGPU does not bind a buffer to
   * read and to write at once.
   */
  #extraStorage(
    kernel: KernelDescription,
    tensors: KernelTensors,
    call: PreparedCall,
  ): Extra | null {
    let extra: Map<string, WebGpuStorage> | null = null;
    for (const [name, { type, size }] of call.temporaries) {
      extra ??= new Map();
      extra.set(name, this.#allocate(byteLength(type, size)));
    }
    for (const { name: input, isWritten } of kernel.bindings) {
      if (isWritten) break; // outputs, after all inputs
      const x = tensors[input];
      if (!x || !isAlsoWritten(kernel, tensors, webGpuStorage(x.storage))) continue;
      const copy = this.#allocate(x.storage.byteLength);
      const from = webGpuStorage(x.storage);
      const copyAgain = (): void => this.#queue.copy(from, copy.buffer, copy.byteLength);
      copyAgain();
      this.#recorder?.add(copyAgain);
      extra ??= new Map();
      extra.set(input, copy);
    }
    return extra;
  }
}

function noteUses(recorder: WebGpuRecorder, tensors: KernelTensors, extra: Extra | null): void {
  for (const x of Object.values(tensors)) if (x) recorder.uses(webGpuStorage(x.storage));
  if (extra) for (const storage of extra.values()) recorder.uses(storage);
}

function isAlsoWritten(
  kernel: KernelDescription,
  tensors: KernelTensors,
  { buffer }: WebGpuStorage,
): boolean {
  for (const { name, isWritten } of kernel.bindings) {
    const written = isWritten ? tensors[name] : null;
    if (written && webGpuStorage(written.storage).buffer === buffer) return true;
  }
  return false;
}

/** The bytes of the elements, as whole 32-bit words in memory of their own: Dawn takes no shared memory. */
function wholeWords(values: StorageArray): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (bytes.length % 4 === 0 && values.buffer instanceof ArrayBuffer) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
