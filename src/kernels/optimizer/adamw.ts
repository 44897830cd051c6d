// One AdamW update of one parameter, in place (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2).
//
//   g = scale gradient
//   p = p - lr wd p
//   m = m + (1 - beta1) (g - m)
//   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps)            t = 1, 2, ...
//
// The order is that of torch.optim.AdamW(fused=True) (docs/guide/hugging-face-semantics.md 3.3). 16-bit parameters have 16-bit
// moments, as pure bf16 training does: the update is computed in f32 from end to end, and each of p, m
// and v is rounded once, when it is stored.

import { isFloat, isHalf, type FloatArray, type HalfDtype } from "../../tensor/dtype.ts";
import { DtypeError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WgslSingle, WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { codecs, plainCodec, storedFloats, type ElementCodec } from "../storedFloats.ts";
import { elementPieces } from "../wgsl/pieces.ts";

/** `rest` is 1 - beta: in f32 the difference would lose four digits of beta2's. */
const paramTypes = {
  size: "u32",
  decay: "f32",
  rate: "f32",
  rest1: "f32",
  beta2: "f32",
  rest2: "f32",
  rootCorrection: "f32",
  eps: "f32",
} as const;
/** Those that follow from the schedule and the number of updates. */
const varying = ["decay", "rate", "rootCorrection"] as const;
type Params = { readonly [K in keyof typeof paramTypes]: number };

/** The update of several elements at once; `vector` is the WGSL type that holds them. */
const wgslUpdate = (vector: "vec4<f32>" | "vec2<f32>"): WgslSnippet => ({
  source: /* wgsl */ `
struct Updated { p: ${vector}, m: ${vector}, v: ${vector} }
fn updated(p: ${vector}, m: ${vector}, v: ${vector}, gradient: ${vector}) -> Updated {
  var factor = 1.0;
  if (HAS_SCALE) { factor = scale[0]; }
  let g = factor * gradient;
  let mean = m + params.rest1 * (g - m);
  let square = params.beta2 * v + params.rest2 * g * g;
  let decayed = p - params.decay * p;
  let p1 = decayed - params.rate * mean / (sqrt(square) * params.rootCorrection + params.eps);
  return Updated(p1, mean, square);
}`,
});

const updated4 = wgslUpdate("vec4<f32>");
const updated2 = wgslUpdate("vec2<f32>");

/** Body for parameters stored as pairs in words. */
function wgslHalves(dtype: HalfDtype): WgslSingle<Params> {
  const { snippet, unpack, pack } = codecs[dtype];
  return {
    uses: [snippet, updated2],
    views: { gradient: "vec2<f32>" },
    invocations: ({ size }) => Math.ceil(size / 2),
    pieces: () => elementPieces(["gradient", "p", "m", "v"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 2u >= params.size) { return; }
  let next = updated(${unpack}(p[i]), ${unpack}(m[i]), ${unpack}(v[i]), gradient[i]);
  p[i] = ${pack}(next.p);
  m[i] = ${pack}(next.m);
  v[i] = ${pack}(next.v);
}`,
  };
}

interface Arrays {
  readonly gradient: FloatArray;
  readonly scale: FloatArray | null;
  readonly p: FloatArray | Uint16Array;
  readonly m: FloatArray | Uint16Array;
  readonly v: FloatArray | Uint16Array;
}

function update(
  { gradient, scale, p, m, v }: Arrays,
  u: Params,
  { widen, narrow }: ElementCodec,
): void {
  const factor = scale === null ? 1 : scale[0]!;
  for (let i = 0; i < u.size; i++) {
    const g = factor * gradient[i]!;
    const mean = widen(m[i]!) + u.rest1 * (g - widen(m[i]!));
    const square = u.beta2 * widen(v[i]!) + u.rest2 * g * g;
    const decayed = widen(p[i]!) - u.decay * widen(p[i]!);
    p[i] = narrow(decayed - (u.rate * mean) / (Math.sqrt(square) * u.rootCorrection + u.eps));
    m[i] = narrow(mean);
    v[i] = narrow(square);
  }
}

export const adamwKernel = defineKernel({
  name: "adamw",
  inputs: { gradient: "float", scale: "float?" },
  outputs: { p: "float", m: "float", v: "float" },
  params: paramTypes,
  varying,
  wasm: elementwiseWasm("adamw", storedFloats.f32.selector),
  wgsl: {
    uses: [updated4],
    views: { gradient: "vec4<f32>", p: "vec4<f32>", m: "vec4<f32>", v: "vec4<f32>" },
    invocations: ({ size }) => Math.ceil(size / 4),
    pieces: () => elementPieces(["gradient", "p", "m", "v"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u >= params.size) { return; }
  let next = updated(p[i], m[i], v[i], gradient[i]);
  p[i] = next.p;
  m[i] = next.m;
  v[i] = next.v;
}`,
  },
  plain: (arrays, params) => update(arrays, params, plainCodec),
});

function defineHalf(dtype: HalfDtype) {
  const { suffix, selector } = storedFloats[dtype];
  return defineKernel({
    name: `adamw${suffix}`,
    inputs: { gradient: "f32", scale: "f32?" },
    outputs: { p: dtype, m: dtype, v: dtype } as Readonly<Record<"p" | "m" | "v", HalfDtype>>,
    params: paramTypes,
    varying,
    wasm: elementwiseWasm("adamw", selector),
    wgsl: wgslHalves(dtype),
    plain: (arrays, params) => update(arrays, params, codecs[dtype]),
  });
}

const halfKernels = {
  bf16: defineHalf("bf16"),
  f16: defineHalf("f16"),
} satisfies Record<HalfDtype, unknown>;
export const { bf16: adamwBf16Kernel, f16: adamwF16Kernel } = halfKernels;

export interface AdamWTensors {
  /** f32, f64, bf16 or f16. */
  readonly p: Tensor;
  /** Moments of p's shape and dtype. */
  readonly m: Tensor;
  readonly v: Tensor;
  /** Of p's shape; f32 when p is stored in 16 bits, else of p's dtype. */
  readonly gradient: Tensor;
  /** [1], multiplied into the gradient; null for 1. */
  readonly scale: Tensor | null;
}

export interface AdamWSettings {
  /** >= 0 */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Number of this update, from 1 on. */
  readonly step: number;
}

/**
 * Updates p, m and v in place.
 * @throws {ShapeError} unless gradient, m and v have p's shape
 * @throws {DtypeError} for a dtype that is not as {@link AdamWTensors} says
 */
export function adamwInPlace(tensors: AdamWTensors, settings: AdamWSettings): void {
  const { p } = tensors;
  for (const name of ["gradient", "m", "v"] as const) {
    if (sameShape(tensors[name].shape, p.shape)) continue;
    throw new ShapeError(
      `adamw: ${name} must be ${formatShape(p.shape)} as the parameter, got ${formatShape(tensors[name].shape)}`,
    );
  }
  const { learningRate, beta1, beta2, eps, weightDecay, step } = settings;
  const params = {
    size: p.size,
    decay: learningRate * weightDecay,
    rate: learningRate / (1 - beta1 ** step),
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    rootCorrection: 1 / Math.sqrt(1 - beta2 ** step),
    eps,
  };
  if (isHalf(p.dtype)) return launch(halfKernels[p.dtype], tensors, params);
  if (isFloat(p.dtype)) return launch(adamwKernel, tensors, params);
  throw new DtypeError(`adamw: parameters must be floating-point, got ${p.dtype}`);
}
