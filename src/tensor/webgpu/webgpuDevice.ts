// The webgpu device: storage is a GPU buffer from a pool, a kernel's dispatch is recorded in the command queue, and values
// come back through a staging buffer. Nothing waits for the GPU but read and sync.

import type {
  Device,
  KernelDescription,
  KernelParams,
  KernelTensors,
  MemoryStats,
  Storage,
} from "../device.ts";
import { SLICE_ALIGNMENT } from "../device.ts";
import type { DataArray, Dtype, StorageArray } from "../dtype.ts";
import { byteLength, fromStorage, storageView } from "../dtype.ts";
import { DeviceError, DtypeError, KernelError, MissingKernelError, invariant } from "../errors.ts";
import type { AdapterFacts, BoundTensor, WgslCall, WgslPass, WgslPlan } from "../wgsl.ts";
import { BufferPool, type PooledBuffer } from "./bufferPool.ts";
import { CommandQueue, type BoundBuffer, type Grid } from "./commandQueue.ts";
import { BufferUsage, MAP_READ } from "./flags.ts";
import { PipelineCache } from "./pipelines.ts";
import { GRID_WIDTH, workgroupSizeOf, type ShaderInterface } from "./shaderSource.ts";

class WebGpuStorage implements Storage {
  readonly buffer: PooledBuffer;
  /** In bytes. */
  readonly offset: number;
  readonly byteLength: number;
  readonly #free: (storage: WebGpuStorage) => void;
  #references = 1;

  constructor(
    buffer: PooledBuffer,
    offset: number,
    bytes: number,
    free: (storage: WebGpuStorage) => void,
  ) {
    this.buffer = buffer;
    this.offset = offset;
    this.byteLength = bytes;
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

  slice(byteOffset: number, byteLength: number): WebGpuStorage {
    const fits = byteOffset % SLICE_ALIGNMENT === 0 && byteOffset + byteLength <= this.byteLength;
    invariant(fits, () => `no slice of ${byteLength} bytes at ${byteOffset} of ${this.byteLength}`);
    this.retain();
    const offset = this.offset + byteOffset;
    return new WebGpuStorage(this.buffer, offset, byteLength, () => this.release());
  }
}

/** Storage bindings of null tensors: one to read, and places of their own for those that are written. */
const ABSENT_BYTES = 256;

export class WebGpuDevice implements Device {
  readonly kind = "webgpu";
  readonly threads = 1;
  readonly adapter: AdapterFacts;
  liveTensors = 0;
  dispatches = 0;
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #pipelines: PipelineCache;
  readonly #queue: CommandQueue;
  readonly #absentRead: PooledBuffer;
  readonly #absentWrite: PooledBuffer;
  #bytes = 0;
  #peakBytes = 0;
  #failure: Error | null = null;
  #closed = false;

  constructor(device: GPUDevice, adapter: AdapterFacts) {
    this.#device = device;
    this.adapter = adapter;
    this.#pool = new BufferPool(device);
    this.#pipelines = new PipelineCache(device);
    this.#queue = new CommandQueue(device);
    this.#absentRead = this.#pool.take(ABSENT_BYTES);
    this.#absentWrite = this.#pool.take(8 * ABSENT_BYTES);
    device.onuncapturederror = ({ error }) => {
      this.#failure ??= new DeviceError(`webgpu: ${error.message}`);
    };
  }

  /** Pipelines compiled so far, or being compiled. */
  get pipelines(): number {
    return this.#pipelines.size;
  }

  allocate(bytes: number): Storage {
    this.#check();
    const buffer = this.#pool.take(bytes);
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    return new WebGpuStorage(buffer, 0, bytes, (storage) => {
      this.#bytes -= storage.byteLength;
      this.#pool.give(storage.buffer);
    });
  }

  write(storage: Storage, dtype: Dtype, values: StorageArray): void {
    this.#check();
    refuseDoubles("tensor", dtype);
    if (values.length === 0) return;
    this.#queue.write(placeOf(storage), wholeWords(values));
  }

  fillZero(storage: Storage): void {
    this.#check();
    if (storage.byteLength > 0) this.#queue.clear(placeOf(storage), storage.byteLength);
  }

  async read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray> {
    return fromStorage(dtype, await this.readStored(storage, dtype, size));
  }

  async readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray> {
    this.#check();
    const bytes = byteLength(dtype, size);
    if (bytes === 0) return storageView(dtype, new ArrayBuffer(0), 0, 0);
    const staging = this.#device.createBuffer({
      label: "staging",
      size: bytes,
      usage: BufferUsage.mapRead | BufferUsage.copyTarget,
    });
    try {
      this.#queue.copyOut(placeOf(storage), staging, bytes);
      await this.#flush();
      await staging.mapAsync(MAP_READ);
      this.#check();
      return storageView(dtype, staging.getMappedRange().slice(0), 0, size);
    } finally {
      staging.destroy();
    }
  }

  dispatch(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void {
    this.#check();
    const plan = this.#plan(kernel, tensors, params, constants);
    this.dispatches++;
    const temporaries = this.#takeTemporaries(plan);
    const inputs = this.#apartFromOutputs(kernel, tensors);
    for (const pass of plan.passes) {
      const grid = gridOf(kernel, pass);
      if (grid === null) continue;
      const pipeline = this.#pipelines.get(kernel, pass, constants, tensors, plan.temporaries);
      let absent = 0;
      const bound = pipeline.shape.bindings.map(({ name, access, element }): BoundBuffer => {
        const x = tensors[name] ?? null;
        const storage = temporaries.get(name) ?? inputs.get(name) ?? x?.storage;
        if (storage !== undefined)
          return this.#bind(kernel, pass, name, storage, x?.dtype ?? element);
        if (access === "read") return { buffer: this.#absentRead, offset: 0, size: undefined };
        const offset = ABSENT_BYTES * absent++;
        return { buffer: this.#absentWrite, offset, size: ABSENT_BYTES };
      });
      this.#queue.dispatch(pipeline, bound, packParams(kernel, pipeline.shape, pass, params), grid);
    }
    for (const storage of temporaries.values()) storage.release();
    for (const storage of inputs.values()) storage.release();
  }

  async sync(): Promise<void> {
    this.#check();
    await this.#flush();
    await this.#device.queue.onSubmittedWorkDone();
    this.#check();
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
    this.#closed = true;
    this.#device.destroy();
  }

  /** @throws what went wrong before on this device: results since then cannot be trusted */
  #check(): void {
    if (this.#closed) throw new DeviceError("webgpu: the device was closed. Open another one.");
    if (this.#failure) throw this.#failure;
  }

  async #flush(): Promise<void> {
    try {
      await this.#queue.flush();
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new DeviceError(String(error));
      throw error;
    }
  }

  #plan(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): WgslPlan {
    const body = kernel.wgsl;
    if (body === undefined) {
      throw new MissingKernelError(
        kernel.name,
        "must have a WGSL body to run on webgpu, got none. Use the cpu device.",
      );
    }
    const bound: Record<string, BoundTensor | null> = {};
    for (const name in tensors) {
      const x = tensors[name];
      if (x) refuseDoubles(kernel.name, x.dtype);
      bound[name] = x ? { dtype: x.dtype, size: x.size, bytes: x.storage.byteLength } : null;
    }
    if ("plan" in body) {
      const call: WgslCall = { params, constants, tensors: bound, adapter: this.adapter };
      return body.plan(call);
    }
    const invocations = body.invocations?.(params, constants);
    const workgroups = body.workgroups?.(params, constants);
    return {
      passes: [
        {
          shader: body,
          ...(invocations === undefined ? {} : { invocations }),
          ...(workgroups === undefined ? {} : { workgroups }),
        },
      ],
    };
  }

  #takeTemporaries(plan: WgslPlan): Map<string, Storage> {
    const entries = Object.entries(plan.temporaries ?? {});
    return new Map(entries.map(([name, { size }]) => [name, this.allocate(4 * size)]));
  }

  /** WebGPU does not bind a buffer to read and to write at once: such inputs are copied first. */
  #apartFromOutputs(kernel: KernelDescription, tensors: KernelTensors): Map<string, Storage> {
    const copies = new Map<string, Storage>();
    for (const input in kernel.inputs) {
      const storage = tensors[input]?.storage;
      if (storage === undefined) continue;
      for (const output in kernel.outputs) {
        const written = tensors[output]?.storage;
        if (written === undefined) continue;
        if (placeOf(written).buffer !== placeOf(storage).buffer) continue;
        const copy = this.allocate(storage.byteLength);
        this.#queue.copy(placeOf(storage), placeOf(copy).buffer, copy.byteLength);
        copies.set(input, copy);
        break;
      }
    }
    return copies;
  }

  #bind(
    kernel: KernelDescription,
    pass: WgslPass,
    name: string,
    storage: Storage,
    type: string,
  ): BoundBuffer {
    const { buffer, offset } = placeOf(storage);
    const range = pass.ranges?.[name];
    const bytes = range ? elementBytes(type) * range.size : storage.byteLength;
    if (bytes > this.adapter.bindingBytes) {
      throw new KernelError(
        kernel.name,
        `${name} must fit in a binding of ${this.adapter.bindingBytes} bytes on this adapter, got ${bytes}. ` +
          "Use the cpu device, or an adapter with larger limits.",
      );
    }
    if (range === undefined && offset === 0 && buffer.size <= this.adapter.bindingBytes) {
      return { buffer, offset, size: undefined };
    }
    const start = offset + (range ? elementBytes(type) * range.offset : 0);
    return { buffer, offset: start, size: roundUp(bytes, 16) };
  }
}

function elementBytes(type: string): number {
  return type === "f16" || type === "bf16" ? 2 : 4;
}

function roundUp(n: number, multiple: number): number {
  return Math.ceil(n / multiple) * multiple;
}

function placeOf(storage: Storage): WebGpuStorage {
  invariant(storage instanceof WebGpuStorage, () => "storage of another device");
  return storage;
}

function refuseDoubles(op: string, dtype: Dtype): void {
  if (dtype === "f64") {
    throw new DtypeError(`${op}: webgpu has no f64, got f64. Use f32, or the cpu device.`);
  }
}

/** Bytes of the elements, as whole 32-bit words. */
function wholeWords(values: StorageArray): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(roundUp(values.byteLength, 4));
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return bytes;
}

/** Workgroups of a pass; null where there is nothing to do. */
function gridOf(kernel: KernelDescription, pass: WgslPass): Grid | null {
  const workgroups = pass.workgroups ?? Math.ceil((pass.invocations ?? 0) / workgroupSizeOf(pass));
  if (typeof workgroups === "number") {
    if (workgroups === 0) return null;
    if (workgroups <= 65535) return [workgroups, 1, 1];
    return [GRID_WIDTH, Math.ceil(workgroups / GRID_WIDTH), 1];
  }
  if (workgroups.includes(0)) return null;
  invariant(
    workgroups.every((n) => n <= 65535),
    () =>
      `kernel ${kernel.name}: at most 65535 workgroups in a dimension, got ${workgroups.join()}`,
  );
  return workgroups;
}

const scratch = new DataView(new ArrayBuffer(4));

function packParams(
  kernel: KernelDescription,
  { params: declared }: ShaderInterface,
  pass: WgslPass,
  params: KernelParams,
): Uint32Array<ArrayBuffer> | null {
  if (declared.length === 0) return null;
  const words = new Uint32Array(declared.length);
  declared.forEach(([name, type], i) => {
    const value = pass.params?.[name] ?? params[name];
    invariant(value !== undefined, () => `kernel ${kernel.name}: param ${name} has no value`);
    if (type === "f32") {
      scratch.setFloat32(0, value);
      words[i] = scratch.getUint32(0);
    } else words[i] = value;
  });
  return words;
}
