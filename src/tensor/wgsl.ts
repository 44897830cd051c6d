// What a kernel says about its WebGPU body. docs/internals/webgpu.md teaches it with a worked kernel.
//
// A body is one shader, or a plan: a function of the call that chooses shaders, tile sizes, passes and temporary
// buffers. Bindings, the uniform struct and constants are declared for the shader (webgpu/shaderSource.ts).

import type { Dtype } from "./dtype.ts";

/** Type of a param or constant. */
export type ScalarType = "u32" | "i32" | "f32";
/** Numbers by name: values of params or constants. */
export type Scalars = Readonly<Record<string, number>>;

/** WebGPU's default maxStorageBuffersPerShaderStage: a shader with more bindings would not run everywhere. */
export const MAX_STORAGE_BINDINGS = 8;

/** WGSL functions that several shaders use; `uses` come before it, each once. */
export interface WgslSnippet {
  readonly source: string;
  readonly uses?: readonly WgslSnippet[];
}

/** One compute shader: a static text with the entry point `main`. Make it once, at module level. */
export interface WgslShader {
  /** Tells the shaders of one kernel apart in labels and profiles: "partial", "reduce". */
  readonly name?: string;
  /** May not declare bindings. One constant text, but for matmul's, which is written for the tile sizes in use. */
  readonly source: string;
  readonly uses?: readonly WgslSnippet[];
  /** First lines of the module: "enable subgroups;". */
  readonly directives?: readonly string[];
  /** Invocations of a workgroup, in the constant WG. Default 256. */
  readonly workgroupSize?: number;
  /** WGSL element types that differ from the declared ones: { x: "vec4<f32>" }, { counts: "atomic<u32>" }. */
  readonly views?: Readonly<Record<string, string>>;
  /** Bindings that are only read; the kernel's inputs unless given. May name temporaries. */
  readonly reads?: readonly string[];
  /** Bindings that are written and may be read; the kernel's outputs unless given. May name temporaries. */
  readonly writes?: readonly string[];
  /** Constants beside the kernel's own; each pass gives their values. */
  readonly constants?: Readonly<Record<string, ScalarType | "bool">>;
  /** Params beside the kernel's own; each pass gives their values. */
  readonly params?: Readonly<Record<string, ScalarType>>;
}

/** A number of workgroups, in a grid that `groupIndex` counts through; or a grid of one's own. */
export type Workgroups = number | readonly [number, number, number];

/** What a tensor of the call is like. */
export interface BoundTensor {
  readonly dtype: Dtype;
  /** Elements. */
  readonly size: number;
  readonly bytes: number;
}

/** A subgroup-matrix shape: C[m, n] (result type) += A[m, k] B[k, n] (component type). */
export interface SubgroupMatrixShape {
  readonly componentType: string;
  readonly resultType: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What plans may depend on. The same object for every call of a device. */
export interface AdapterFacts {
  /** Vendor, architecture and device, as far as the adapter tells; tables of measured tiles are keyed by it. */
  readonly name: string;
  /** The adapter's description of itself, which names the driver and its version where the adapter tells. */
  readonly driver: string;
  readonly vendor: string;
  readonly architecture: string;
  /** Whether a CPU plays the GPU (SwiftShader, lavapipe, WARP). */
  readonly software: boolean;
  /** Features of the device: "shader-f16", "subgroups", "chromium-experimental-subgroup-matrix". */
  readonly features: ReadonlySet<string>;
  /** Least and greatest subgroup size; null without the feature. */
  readonly subgroupSize: { readonly min: number; readonly max: number } | null;
  readonly subgroupMatrices: readonly SubgroupMatrixShape[];
  /** Bytes of workgroup memory of a shader. */
  readonly workgroupBytes: number;
  readonly workgroupInvocations: number;
  /** Most bytes that one binding can have; `ranges` bind a larger tensor in pieces. */
  readonly bindingBytes: number;
  /** Most bytes that one tensor can have. */
  readonly bufferBytes: number;
  /** Offsets of `ranges` are multiples of this many bytes. */
  readonly offsetAlignment: number;
}

/** A call of a kernel, as its plan sees it. */
export interface WgslCall<P = Scalars, C = Scalars> {
  readonly params: P;
  readonly constants: C;
  /** By binding name; null where an optional binding got no tensor. */
  readonly tensors: Readonly<Record<string, BoundTensor | null>>;
  readonly adapter: AdapterFacts;
}

/** Storage that lives for one call. */
export interface WgslTemporary {
  readonly type: "f32" | "u32" | "i32";
  /** Elements. */
  readonly size: number;
}

/** Part of a tensor that a pass binds, in elements. */
export interface BindingRange {
  readonly offset: number;
  readonly size: number;
}

/** One dispatch of a shader. */
export interface WgslPass {
  readonly shader: WgslShader;
  /** Values of the shader's own constants. */
  readonly constants?: Readonly<Record<string, number | boolean>>;
  /** Values of the shader's own params. */
  readonly params?: Scalars;
  /** Instead of the shader's. */
  readonly workgroupSize?: number;
  /** Invocations needed, one per element say: gives ceil(invocations / WG) workgroups. */
  readonly invocations?: number;
  /** Instead of `invocations`. A pass with none is left out. */
  readonly workgroups?: Workgroups;
  readonly ranges?: Readonly<Record<string, BindingRange>>;
  /** Which tensor of the call a binding of the shader is, where it is not the one of its name. */
  readonly tensors?: Readonly<Record<string, string>>;
}

/** Passes run one after another; each sees what those before it wrote. */
export interface WgslPlan {
  readonly passes: readonly WgslPass[];
  readonly temporaries?: Readonly<Record<string, WgslTemporary>>;
}

/** How a call falls into calls of the same kernel on parts of its tensors, each with fewer units of work. */
export interface WgslPieces {
  /** The param that counts units: elements, rows. A piece gets a smaller one. */
  readonly param: string;
  /** Elements for each unit, of the bindings that are cut. The others are bound whole. */
  readonly elements: Readonly<Record<string, number>>;
  /** Pieces begin at multiples of this many units. Default 1. */
  readonly multiple?: number;
  /** Other params of the piece that begins at unit `start`; also asked for the whole call, with 0. */
  params?(start: number): Scalars;
}

/** The whole body is one shader, its grid a function of the call. */
export interface WgslSingle<P = Scalars, C = Scalars> extends WgslShader {
  /** Invocations needed, one per element say: gives ceil(invocations / WG) workgroups. */
  invocations?(params: P, constants: C): number;
  /** Instead of `invocations`. */
  workgroups?(params: P, constants: C): Workgroups;
  /** Lets tensors be larger than the adapter's bindings: such a call runs piece by piece. */
  pieces?(params: P): WgslPieces;
}

/** The body is chosen for each call. */
export interface WgslPlanned<P = Scalars, C = Scalars> {
  /** The passes of a call. */
  plan(call: WgslCall<P, C>): WgslPlan;
}

/** What a kernel says of its body on webgpu: one shader, or a plan that chooses for each call. */
export type WgslBody<P = Scalars, C = Scalars> = WgslSingle<P, C> | WgslPlanned<P, C>;
