// What a device is to the rest of the engine: something that holds bytes and runs kernels.
// It knows kernels only by this description, so that no op is named in this folder.

import type { asyncDisposeSymbol } from "./disposal.ts";
import type { Dtype, StorageArray, DataArray, FloatArray } from "./dtype.ts";
import { DeviceError, type OutOfMemoryError } from "./errors.ts";
import type { Shape } from "./shape.ts";
import type { WasmBody } from "./wasm.ts";
import type { ScalarType, WgslBody } from "./wgsl.ts";

/**
 * Element type of a kernel's binding. `float` is the type the arithmetic runs in: f32, or f64 in
 * gradient checks, the same for all `float` bindings of a call. A trailing `?` marks a binding that may be null.
 */
export type BindingType = "float" | Exclude<Dtype, "f64" | "bool">;
/** How a kernel declares a binding; a trailing `?` marks one that may be null. */
export type BindingDeclaration = BindingType | `${BindingType}?`;

export type KernelParams = Readonly<Record<string, number>>;
export type KernelArrays = Readonly<Record<string, StorageArray | null>>;

/** What a device reads of a tensor; `Tensor` is one. It lies here so that a device need not know the class. */
export interface KernelTensor {
  readonly shape: Shape;
  readonly dtype: Dtype;
  /** Number of elements. */
  readonly size: number;
  readonly device: Device;
  readonly storage: Storage;
}
export type KernelTensors = Readonly<Record<string, KernelTensor | null>>;

/** What a declaration says of a binding, taken apart once: launches ask it hundreds of times a step. */
export interface KernelBinding {
  readonly name: string;
  /** float stands for f32 and f64, and for one of them in a call. */
  readonly type: "float" | Dtype;
  readonly isOptional: boolean;
  /** An output. */
  readonly isWritten: boolean;
}

/** A kernel as a device sees it; `defineKernel` makes these. */
export interface KernelDescription {
  readonly name: string;
  readonly inputs: Readonly<Record<string, BindingDeclaration>>;
  readonly outputs: Readonly<Record<string, BindingDeclaration>>;
  /** The inputs, then the outputs, in the order of their declaration. */
  readonly bindings: readonly KernelBinding[];
  readonly params: Readonly<Record<string, ScalarType>>;
  readonly constants: Readonly<Record<string, ScalarType>>;
  /** Params that differ from call to call and that no plan looks at, as places in a random stream. */
  readonly varying: readonly string[];
  /** Floating-point operations of a call, for the debug ladder; kernels without it move bytes more than they compute. */
  flops?(params: KernelParams, tensors: Readonly<Record<string, unknown>>): number;
  readonly wgsl?: WgslBody;
  readonly wasm?: WasmBody;
  plain(arrays: KernelArrays, params: KernelParams, constants: KernelParams): void;
}

/** Bytes on a device. Shared by the tensors that view them and by the tape; freed with the last of them. */
export interface Storage {
  readonly byteLength: number;
  /** Whether more than one tensor or saved value views these bytes: then nobody may overwrite them. */
  readonly shared: boolean;
  retain(): void;
  release(): void;
  /**
   * Part of these bytes as a storage with a life of its own, which keeps the whole alive. `shared` tells of
   * the part alone: whoever cuts parts that overlap must know it.
   * @param byteOffset a multiple of SLICE_ALIGNMENT
   */
  slice(byteOffset: number, byteLength: number): Storage;
}

/** WebGPU's default minStorageBufferOffsetAlignment, in bytes: where a part of a storage may begin. */
export const SLICE_ALIGNMENT = 256;

/** Memory of a device at one moment, as `device.memory()` tells it. */
export interface MemoryStats {
  /** Tensors alive: handles not disposed, and those the tape saved. */
  tensors: number;
  /** Bytes that live tensors hold. */
  bytes: number;
  /** Bytes held by the device for reuse, in no tensor. */
  pooledBytes: number;
  /** Most `bytes` at any moment since the device opened or `resetPeak`. */
  peakBytes: number;
}

/** Elements of a storage that does not move, until `release`. */
export interface PinnedArray {
  readonly array: StorageArray;
  release(): void;
}

/** Kernels that ran once and can be run again, on the same storages: `device.record` makes it. */
export interface Recording {
  /**
   * Runs the kernels again on what their storages hold now.
   * @returns false, with nothing run, when that cannot be any more: record again
   */
  replay(): boolean;
  /** Gives its memory back, but for what tensors still have. */
  dispose(): void;
}

/**
 * A place where tensors live and kernels run; `openDevice` gives one. Operations run on the device of their inputs,
 * which must be the same for all. Close it when done.
 */
export interface Device {
  readonly kind: "cpu" | "webgpu";
  /** @internal Tensor handles alive on this device; kept by Tensor itself. */
  liveTensors: number;
  /** Threads that compute on the host; 1 where the work is elsewhere. */
  readonly threads: number;
  /** Which bodies of the kernels run here. */
  readonly bodies: "wasm" | "plain" | "wgsl";
  /** @internal Whether a kernel has the body that runs here. Without it plain loops do, and a launcher may know a faster way. */
  hasBody(kernel: KernelDescription): boolean;
  /** Kernels dispatched since the device opened. */
  readonly dispatches: number;
  /**
   * @internal Bytes of the largest storage that a kernel can bind at once. Where a dispatch costs as much as it may do
   * (GPUs), tensors that are updated together should lie together, in storages up to this size; null where
   * that gains nothing.
   */
  readonly packBytes: number | null;
  /** @internal @throws {DeviceError} when there is not that much memory */
  allocate(bytes: number): Storage;
  /** @internal Fills storage with elements already in their stored form. */
  write(storage: Storage, dtype: Dtype, values: StorageArray): void;
  /** @internal */
  fillZero(storage: Storage): void;
  /** @internal A copy of the elements, once all work recorded before has finished. */
  read(storage: Storage, dtype: Dtype, size: number): Promise<DataArray>;
  /**
   * @internal The elements in stored form as they lie now, for printing: a view that no later work changes before the caller
   * gives control back. Null where reading them would take a wait.
   */
  peek(storage: Storage, dtype: Dtype, size: number): StorageArray | null;
  /** @internal The same in stored form: 16-bit floats as raw words. */
  readStored(storage: Storage, dtype: Dtype, size: number): Promise<StorageArray>;
  /**
   * @internal The elements where they lie, for others than kernels to read and write; they stay there until `release`. Null where
   * the host cannot see them.
   */
  pin(storage: Storage, dtype: Dtype, size: number): PinnedArray | null;
  /** @internal */
  dispatch(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): void;
  /**
   * @internal Runs `work` and keeps what it ran. Tensors that it makes and does not dispose hold new values after each replay.
   * @returns null where the kernels cannot be run again by themselves. Absent on devices that gain nothing.
   */
  record?(work: () => void): Recording | null;
  /**
   * @internal Makes the device usable again after a lack of memory; what kernels wrote since then is lost. Absent where every
   * lack of memory is thrown before anything is written.
   * @returns what it lacked; null when it failed for another reason, or has not failed
   */
  recover?(): Promise<OutOfMemoryError | null>;
  /** Resolves when everything recorded so far has run. */
  sync(): Promise<void>;
  /** Submits what was recorded so far. What it returns waits until that has run, as `sync` does, and may be left uncalled. */
  fence(): () => Promise<void>;
  /**
   * Prepares the programs that `record` would run, without running them: what it computes is undefined. Worth it where
   * compiling takes long (webgpu); other devices do nothing.
   */
  warmUp(record: () => void): Promise<void>;
  /** What is held at this moment. */
  memory(): MemoryStats;
  /** Starts `peakBytes` anew from the bytes live now. */
  resetPeak(): void;
  /** Gives the device's memory and threads back; its tensors cannot be used afterwards. */
  close(): Promise<void>;
  /** `close`, for `await using device = await openDevice(...)`. */
  [asyncDisposeSymbol](): Promise<void>;
}

/**
 * The device, looked at: programs without types pass its name, or forget an await.
 * @throws {DeviceError} for anything else
 */
export function checkDevice(op: string, device: unknown): Device {
  if (typeof device === "object" && device !== null && "allocate" in device)
    return device as Device;
  const isPromise = device instanceof Promise;
  const got = isPromise ? "a promise" : typeof device === "string" ? `"${device}"` : typeof device;
  throw new DeviceError(
    `${op}: needs a device, got ${got === "undefined" ? "none" : got}. Pass { device: await openDevice("cpu") }.`,
  );
}

export type { FloatArray, ScalarType };
