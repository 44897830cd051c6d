// Tensor: shape, dtype, device and a reference to storage. Operations are functions, in src/autograd.

import { disposeSymbol } from "./disposal.ts";
import type { DataArray, Dtype } from "./dtype.ts";
import { byteLength, dtypes, isFloat, toStorage } from "./dtype.ts";
import { checkDevice, type Device, type Storage } from "./device.ts";
import { DisposedError, DtypeError, ShapeError } from "./errors.ts";
import { flatten, nest, nestedShape, type NestedNumbers, type TensorData } from "./nested.ts";
import { printElements } from "./printing.ts";
import { Q8_BLOCK } from "./q8.ts";
import { adopt, type Scope } from "./scope.ts";
import type { Shape } from "./shape.ts";
import { checkShape, formatShape, inferShape, sizeOf } from "./shape.ts";

/** The method that Node's console.log asks an object for; other consoles show its fields. */
const inspect = Symbol.for("nodejs.util.inspect.custom");

/** What the tape hangs on the output of an op; see src/autograd/tape.ts. */
export interface GraphNode {
  /** Called when the tensor that carries the node is disposed. */
  release(): void;
}

/**
 * Numbers of one dtype in a row-major array of a shape, on a device. Made by `tensor`, `zeros`, `full` and by
 * operations, which are functions (`matmul(a, b)`); freed by `dispose`, or by the `scope` that it was made in.
 */
export class Tensor {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly device: Device;
  /** Number of elements. */
  readonly size: number;
  /** Whether `backward` gives a gradient for this tensor (leaves) or passes through it (results). */
  requiresGrad = false;
  /** @internal The op that made this tensor, while its graph is alive. */
  node: GraphNode | null = null;
  /** @internal The scope that will free this tensor. */
  owner: Scope | null = null;
  #storage: Storage | null;

  /**
   * @internal Takes over one reference to `storage`; use `tensor`, `zeros` or an op.
   * @param isKept leaves it out of the scope around, as `keep` would
   */
  constructor(storage: Storage, shape: Shape, dtype: Dtype, device: Device, isKept = false) {
    this.#storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.device = device;
    this.size = sizeOf(shape);
    device.liveTensors++;
    if (!isKept) adopt(this);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Whether the tensor was freed: then its elements cannot be read. */
  get disposed(): boolean {
    return this.#storage === null;
  }

  /**
   * Dtype, shape and device: `Tensor f32 [2, 3] on cpu`, with `, requires grad` and `, disposed` where that is so. Below
   * it the elements as NumPy prints them, of large tensors the first and last ones, where they can be read without waiting:
   * not on webgpu, nor while a background device computes. There print `await x.array()`.
   */
  toString(): string {
    const grad = this.requiresGrad ? ", requires grad" : "";
    const end = this.disposed ? ", disposed" : "";
    const head = `Tensor ${this.dtype} ${formatShape(this.shape)} on ${this.device.kind}${grad}${end}`;
    const stored = this.#storage && this.device.peek(this.#storage, this.dtype, this.size);
    return stored ? `${head}\n${printElements(stored, this.shape, this.dtype)}` : head;
  }

  /** @internal */
  [inspect](): string {
    return this.toString();
  }

  /** @internal @throws {DisposedError} after dispose() */
  get storage(): Storage {
    if (this.#storage === null) {
      throw new DisposedError(
        `tensor: ${this.dtype} ${formatShape(this.shape)} was freed and cannot be read. ` +
          "Return it from its scope, or keep() it.",
      );
    }
    return this.#storage;
  }

  /** A copy of the elements, row-major: f16 and bf16 as Float32Array, bool as Uint8Array. */
  data(): Promise<DataArray> {
    return this.device.read(this.storage, this.dtype, this.size);
  }

  /**
   * The elements in arrays in arrays, one depth for each axis: the number itself for shape [], booleans for bool.
   * Name the type that fits the rank, `await x.array<number[][]>()`; it is not checked.
   */
  async array<T = NestedNumbers>(): Promise<T> {
    const data = await this.data();
    const values = this.dtype === "bool" ? Array.from(data, (value) => value !== 0) : data;
    return nest<number | boolean>(values, this.shape) as T;
  }

  /** The value of a one-element tensor. @throws {ShapeError} for any other size */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`item: the tensor must have 1 element, got ${formatShape(this.shape)}`);
    }
    return (await this.data())[0]!;
  }

  /**
   * @internal Lets the tensor stand for bytes that lie elsewhere, where its elements were copied.
   * @param storage takes over one reference
   */
  moveTo(storage: Storage): void {
    this.storage.release();
    this.#storage = storage;
  }

  /** Frees the tensor: its memory once nothing else views it, and its graph if nothing else uses it. Safe to repeat. */
  dispose(): void {
    if (this.#storage === null) return;
    const storage = this.#storage;
    this.#storage = null;
    this.device.liveTensors--;
    this.owner?.remove(this);
    storage.release();
    this.node?.release();
    this.node = null;
  }

  /** `dispose`, for `using x = tensor(...)`. */
  [disposeSymbol](): void {
    this.dispose();
  }
}

/**
 * An uninitialised tensor, for a kernel to write: every element must be written before it is read.
 * @throws {DtypeError} for f64 on webgpu
 */
export function empty(device: Device, shape: Shape, dtype: Dtype): Tensor {
  checkShape("tensor", shape);
  if (!(dtype in dtypes)) {
    throw new DtypeError(
      `tensor: dtype must be ${Object.keys(dtypes).join(", ")}, got ${String(dtype)}`,
    );
  }
  if (dtype === "f64" && device.kind === "webgpu") {
    throw new DtypeError("tensor: webgpu has no f64, got f64. Use f32, or the cpu device.");
  }
  if (dtype === "q8" && (shape.at(-1) ?? 1) % Q8_BLOCK !== 0) {
    throw new ShapeError(
      `tensor: rows of q8 must be a multiple of ${Q8_BLOCK} long, got ${formatShape(shape)}. Use f32.`,
    );
  }
  return new Tensor(device.allocate(byteLength(dtype, sizeOf(shape))), [...shape], dtype, device);
}

/** @internal A second handle on the same elements, with its own lifetime and without a graph. */
export function alias(x: Tensor, shape: Shape = x.shape): Tensor {
  const storage = x.storage;
  storage.retain();
  return new Tensor(storage, shape, x.dtype, x.device);
}

/** @internal The same outside of scopes: it lives until it is disposed. */
export function keptAlias(x: Tensor): Tensor {
  const storage = x.storage;
  storage.retain();
  return new Tensor(storage, x.shape, x.dtype, x.device, true);
}

/** What `tensor`, `zeros` and `full` need beside the elements: the device, and optionally dtype and requiresGrad (false). */
export interface TensorOptions {
  readonly device: Device;
  readonly dtype?: Dtype;
  readonly requiresGrad?: boolean;
}

/**
 * Makes a tensor from numbers.
 * @param data typed array, number, or (nested) arrays of numbers; row-major
 * @param shape may hold one -1; taken from the nesting when left out
 * @param options `device` is required; `dtype` defaults to the typed array's own, else f32
 * @throws {ShapeError} when data does not fill the shape or is ragged
 * @throws {DeviceError} without a device
 */
export function tensor(data: TensorData, shape: Shape | undefined, options: TensorOptions): Tensor {
  const device = deviceOf("tensor", options);
  const dtype = options.dtype ?? dtypeOf(data);
  const flat = flatten(data);
  const fullShape =
    shape === undefined ? nestedShape(data) : inferShape("tensor", shape, flat.length);
  const result = empty(device, fullShape, dtype);
  device.write(result.storage, dtype, toStorage(dtype, flat));
  setRequiresGrad(result, options.requiresGrad ?? false);
  return result;
}

/** A tensor of zeros. */
export function zeros(shape: Shape, options: TensorOptions): Tensor {
  const device = deviceOf("zeros", options);
  const result = empty(device, shape, options.dtype ?? "f32");
  device.fillZero(result.storage);
  setRequiresGrad(result, options.requiresGrad ?? false);
  return result;
}

/** A tensor with every element `value`. */
export function full(shape: Shape, value: number, options: TensorOptions): Tensor {
  deviceOf("full", options);
  checkShape("full", shape);
  return tensor(new Float64Array(sizeOf(shape)).fill(value), shape, { dtype: "f32", ...options });
}

/** @throws {DeviceError} unless the options hold an open device */
function deviceOf(op: string, options: TensorOptions | undefined): Device {
  const device: unknown = (options as TensorOptions | undefined)?.device;
  return checkDevice(op, device);
}

function setRequiresGrad(x: Tensor, requiresGrad: boolean): void {
  if (requiresGrad && !isFloat(x.dtype)) {
    throw new DtypeError(`tensor: only floating-point tensors have gradients, got ${x.dtype}`);
  }
  x.requiresGrad = requiresGrad;
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  if (data instanceof Uint32Array) return "u32";
  return "f32";
}
