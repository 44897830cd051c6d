// defineKernel: one declaration with two bodies. Bindings, parameter order, array types and (for the
// GPU) the bind-group layout and the uniform struct all follow from the declaration.

import type {
  BindingDeclaration,
  Device,
  KernelArrays,
  KernelBinding,
  KernelDescription,
  KernelParams,
  KernelTensors,
  ScalarType,
} from "../tensor/device.ts";
import { dtypes, type Dtype, type FloatArray, type StorageArrayOf } from "../tensor/dtype.ts";
import { DeviceError, DtypeError, KernelError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { WasmBody, WasmSingle } from "../tensor/wasm.ts";
import { MAX_STORAGE_BINDINGS, type WgslBody } from "../tensor/wgsl.ts";

/** Bindings of a kernel by name, as they are declared. */
export type Bindings = Readonly<Record<string, BindingDeclaration>>;
/** Params or constants of a kernel by name, as they are declared. */
export type ScalarParams = Readonly<Record<string, ScalarType>>;

/** What the plain body sees of a binding: an array, null for one that may be left out and is. */
export type BindingArray<B extends BindingDeclaration> = B extends `${infer T}?`
  ? BindingArray<T & BindingDeclaration> | null
  : B extends "float"
    ? FloatArray
    : B extends Dtype
      ? StorageArrayOf<B>
      : never;
/** What `launch` takes for a binding. */
export type BindingTensor<B extends BindingDeclaration> = B extends `${string}?`
  ? Tensor | null
  : Tensor;
/** What the plain body is given, by name. */
export type BindingArrays<B extends Bindings> = { readonly [K in keyof B]: BindingArray<B[K]> };
/** What `launch` is given, by name. */
export type BindingTensors<B extends Bindings> = { readonly [K in keyof B]: BindingTensor<B[K]> };
/** Values of params or constants, by name. */
export type ScalarValues<S extends ScalarParams> = { readonly [K in keyof S]: number };

/** What `defineKernel` is told. */
export interface KernelDeclaration<
  I extends Bindings,
  O extends Bindings,
  P extends ScalarParams,
  C extends ScalarParams,
> {
  readonly name: string;
  /** Read-only bindings, in binding order. */
  readonly inputs: I;
  /** Bindings that are written (and may be read), after the inputs. */
  readonly outputs: O;
  /** What varies from call to call: sizes, eps. */
  readonly params: P;
  /**
   * Params that differ from call to call: places in a random stream, rates. Plans, grids and pieces may not look at them, so
   * that calls that differ in them alone are prepared once.
   */
  readonly varying?: readonly (keyof P & string)[];
  /** What changes the machine code: tile sizes, flags. Small finite sets. */
  readonly constants?: C;
  /**
   * Floating-point operations of a call, where arithmetic bounds it: the debug ladder gives GFLOP/s for it, GB/s otherwise.
   * @param tensors by binding name; null where an optional binding got none
   */
  flops?(params: NoInfer<ScalarValues<P>>, tensors: Readonly<Record<string, unknown>>): number;
  /** The body on the GPU; bindings, params and constants are declared for it (docs/internals/webgpu.md). */
  readonly wgsl?: WgslBody<NoInfer<ScalarValues<P>>, NoInfer<ScalarValues<C>>>;
  /** @internal The body on the cpu device for all but f64: SIMD functions, compiled (src/tensor/wasm.ts). */
  readonly wasm?: WasmBody<NoInfer<ScalarValues<P>>, NoInfer<ScalarValues<C>>>;
  /** Plain loops over the bindings' elements: the oracle, the f64 path, and the body without WebAssembly. */
  plain(
    arrays: BindingArrays<I> & BindingArrays<O>,
    params: ScalarValues<P>,
    constants: ScalarValues<C>,
  ): void;
}

/** A kernel that `launch` runs; `defineKernel` makes it. */
export interface Kernel<
  I extends Bindings,
  O extends Bindings,
  P extends ScalarParams,
  C extends ScalarParams,
> {
  /** @internal */
  readonly description: KernelDescription;
  readonly declaration: KernelDeclaration<I, O, P, C>;
}

/** All kernels defined so far, for tests and tools that go through every one. */
const defined = new Map<string, KernelDescription>();

export function definedKernels(): ReadonlyMap<string, KernelDescription> {
  return defined;
}

/**
 * Declares a kernel.
 * @param declaration `name` is this kernel's alone, among the library's own, too
 * @throws {KernelError} with more than 8 storage bindings of a WGSL body that is no plan, or a name used before
 */
export function defineKernel<
  const I extends Bindings,
  const O extends Bindings,
  const P extends ScalarParams,
  const C extends ScalarParams = Record<never, never>,
>(declaration: KernelDeclaration<I, O, P, C>): Kernel<I, O, P, C> {
  const { name, inputs, outputs } = declaration;
  const flops = declaration.flops?.bind(declaration);
  const storage = Object.keys(inputs).length + Object.keys(outputs).length;
  const { wgsl } = declaration;
  if (wgsl !== undefined && !("plan" in wgsl) && storage > MAX_STORAGE_BINDINGS) {
    throw new KernelError(
      name,
      `a WGSL body must have at most ${MAX_STORAGE_BINDINGS} inputs and outputs, got ${storage}. Split the kernel, or plan passes.`,
    );
  }
  if (defined.has(name)) {
    throw new KernelError(name, "must be defined once, got the name twice. Choose another name.");
  }
  const description: KernelDescription = {
    name,
    inputs,
    outputs,
    bindings: [...bindingsOf(inputs, false), ...bindingsOf(outputs, true)],
    params: declaration.params,
    constants: declaration.constants ?? {},
    varying: declaration.varying ?? [],
    ...(flops ? { flops: (params, tensors) => flops(params as ScalarValues<P>, tensors) } : {}),
    ...(declaration.wgsl ? { wgsl: declaration.wgsl } : {}),
    ...(declaration.wasm ? { wasm: declaration.wasm } : {}),
    plain(arrays: KernelArrays, params: KernelParams, constants: KernelParams) {
      declaration.plain(
        arrays as BindingArrays<I> & BindingArrays<O>,
        params as ScalarValues<P>,
        constants as ScalarValues<C>,
      );
    },
  };
  defined.set(name, description);
  return { description, declaration };
}

function bindingsOf(declared: Bindings, isWritten: boolean): KernelBinding[] {
  return Object.entries(declared).map(([name, declaration]) => ({
    name,
    type: declaration.replace("?", "") as KernelBinding["type"],
    isOptional: declaration.endsWith("?"),
    isWritten,
  }));
}

/**
 * A WebAssembly body whose units are the elements of its tensors, by their number in param `size`.
 * @param selector where kernels share the function: which of them runs
 */
export function elementwiseWasm(name: string, selector?: number): WasmSingle {
  const units = ({ size }: KernelParams): number => size!;
  return { name, elementwise: true, units, ...(selector === undefined ? {} : { selector }) };
}

/**
 * Runs a kernel on the device of its tensors.
 * @throws {DtypeError} when a tensor's dtype is not its binding's, or `float` bindings differ
 * @throws {DeviceError} when tensors are on two devices
 * @throws {KernelError} without a tensor for a binding
 */
export function launch<
  I extends Bindings,
  O extends Bindings,
  P extends ScalarParams,
  C extends ScalarParams,
>(
  kernel: Kernel<I, O, P, C>,
  tensors: BindingTensors<I> & BindingTensors<O>,
  params: ScalarValues<P>,
  ...constants: [keyof C] extends [never] ? [] : [ScalarValues<C>]
): void {
  const { description } = kernel;
  const bound = tensors as KernelTensors;
  const device = checkBindings(description, bound);
  device.dispatch(description, bound, params, constants[0] ?? {});
}

function checkBindings(kernel: KernelDescription, tensors: KernelTensors): Device {
  let device: Device | null = null;
  let float: Dtype | null = null;
  for (const binding of kernel.bindings) {
    const { name, type, isOptional } = binding;
    const x = tensors[name] ?? null;
    if (x === null) {
      if (isOptional) continue;
      throw new KernelError(kernel.name, `${name} must be a tensor, got none`);
    }
    device ??= x.device;
    if (x.device !== device) {
      throw new DeviceError(
        `${kernel.name}: all tensors must be on one device, got ${device.kind} and another (${name})`,
      );
    }
    if (type === "float") float ??= x.dtype;
    checkDtype(kernel.name, binding, x.dtype, float);
  }
  if (device === null) throw new KernelError(kernel.name, "must be given a tensor, got none");
  return device;
}

function checkDtype(
  kernel: string,
  { name, type }: KernelBinding,
  actual: Dtype,
  float: Dtype | null,
): void {
  if (type !== "float") {
    if (actual === type || dtypes[actual].binding === type) return;
    throw new DtypeError(`${kernel}: ${name} must be ${type}, got ${actual}. Use cast().`);
  }
  if (dtypes[actual].binding !== "float") {
    throw new DtypeError(`${kernel}: ${name} must be f32 or f64, got ${actual}. Use cast().`);
  }
  if (actual !== float) {
    throw new DtypeError(
      `${kernel}: floats must have one dtype, got ${float} and ${actual} (${name})`,
    );
  }
}
