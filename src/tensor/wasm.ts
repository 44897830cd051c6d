// What a kernel says about its WebAssembly body: the counterpart of wgsl.ts for the cpu device.
//
// A body is one exported function, or a plan: a function of the call and of the device's threads that chooses functions,
// units and scratch memory. So no launcher asks a device what runs on it.

import type { Dtype, StorageArray } from "./dtype.ts";

type Scalars = Readonly<Record<string, number>>;

/**
 * An exported function:
 *
 *   ([selector,] inputs..., outputs..., params..., own params..., constants..., begin, end [, scratch])
 *
 * Tensors are addresses in bytes, 0 where there is none. Make it once, at module level.
 */
export interface WasmFunction {
  readonly name: string;
  /** First argument of a function that several kernels share: which of them runs. */
  readonly selector?: number;
  /** Inputs that it is given; the kernel's unless given. */
  readonly reads?: readonly string[];
  /** Outputs that it is given; the kernel's unless given. */
  readonly writes?: readonly string[];
  /** Params beside the kernel's own; each pass gives their values. */
  readonly params?: readonly string[];
}

/** Every call runs one function. */
export interface WasmSingle<P = Scalars> extends WasmFunction {
  /** How many independent units (rows, heads, tiles) there are; a thread takes a range [begin, end) of them. */
  units(params: P): number;
  /**
   * Units are elements: element i of every tensor of that many elements belongs to unit i alone. Such tensors need
   * not be where the kernel runs: the device may hand it a part at a time.
   */
  readonly elementwise?: true;
  /** Bytes of private scratch memory a thread needs; passed as a last argument `scratch` when given. */
  scratch?(params: P): number;
}

/** A function of a planned body. */
export interface WasmPlannedFunction extends WasmFunction {
  /** Whether it takes the last argument, `scratch`. */
  readonly takesScratch?: true;
}

/** A call of a kernel, as its plan sees it. */
export interface WasmCall<P = Scalars, C = Scalars> {
  readonly params: P;
  readonly constants: C;
  /** By binding name; null where an optional binding got no tensor. */
  readonly tensors: Readonly<
    Record<string, { readonly dtype: Dtype; readonly size: number } | null>
  >;
  /** Threads of the device, the calling one included. */
  readonly threads: number;
}

export interface WasmPass {
  readonly function: WasmPlannedFunction;
  /** Independent units of work; a thread takes a range [begin, end) of them. */
  readonly units: number;
  /** Values of the function's own params. */
  readonly params?: Scalars;
  /** Bytes of private scratch memory a thread needs. Default 0. */
  readonly scratchBytes?: number;
  /** Which tensor of the call an argument of the function is, where it is not the one of its name. */
  readonly tensors?: Readonly<Record<string, string>>;
  /** Constants of the kernel that are others for this pass. */
  readonly constants?: Scalars;
}

/** Passes run one after another; each sees what those before it wrote. */
export interface WasmPlan {
  readonly passes: readonly WasmPass[];
}

/** The body is chosen for each call. */
export interface WasmPlanned<P = Scalars, C = Scalars> {
  /** All that `plan` chooses from. */
  readonly functions: readonly WasmPlannedFunction[];
  plan(call: WasmCall<P, C>): WasmPlan;
}

export type WasmBody<P = Scalars, C = Scalars> = (WasmSingle<P> | WasmPlanned<P, C>) & {
  /**
   * Throws what the plain body throws for elements that would lead the function out of its tensors: a thread has no words
   * for it.
   */
  check?(arrays: Readonly<Record<string, StorageArray | null>>, params: P): void;
};
