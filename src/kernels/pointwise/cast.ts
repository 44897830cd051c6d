// Conversions between dtypes. Every dtype converts to and from floats; other pairs go by way of f32.
//
//   to f16, bf16    rounded to nearest, ties to even; above the largest number infinity
//   to i32, u32     the fraction is cut off; out of range the nearest end; NaN gives 0
//   to bool         0 gives false, all else true
//   from q8         scale times number (castQ8.ts); nothing converts to q8: blocks are made where values are written

import type { BindingType } from "../../tensor/device.ts";
import type { WasmBody } from "../../tensor/wasm.ts";
import { isFloat, isHalf, type Dtype, type HalfDtype } from "../../tensor/dtype.ts";
import { DtypeError } from "../../tensor/errors.ts";
import { alias, empty, Tensor } from "../../tensor/tensor.ts";
import type { WgslSingle, WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { codecs, storedFloats } from "../storedFloats.ts";
import { elementPieces } from "../wgsl/pieces.ts";
import { widenQ8Into } from "./castQ8.ts";

interface Conversion {
  /** Binding of the converted elements. */
  readonly type: Exclude<BindingType, "float" | "f32" | "q8">;
  readonly wgsl: WgslConversion;
  toFloat(stored: number): number;
  fromFloat(value: number): number;
}

const identity = (x: number): number => x;

/** Expressions of x in WGSL: an element, or where elements are stored in 16 bits a pair. */
interface WgslConversion {
  readonly toFloat: string;
  readonly fromFloat: string;
  readonly uses: readonly WgslSnippet[];
}

/** WGSL leaves the conversion of numbers out of range, and of NaN, to the driver. */
const saturated: WgslSnippet = {
  source: /* wgsl */ `
fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn saturatedI32(x: f32) -> i32 {
  if (isNan(x)) { return 0; }
  if (x >= 0x1p31f) { return 0x7fffffff; }
  if (x <= -0x1p31f) { return -0x7fffffff - 1; }
  return i32(x);
}
fn saturatedU32(x: f32) -> u32 {
  if (isNan(x) || x <= 0.0) { return 0u; }
  if (x >= 0x1p32f) { return 0xffffffffu; }
  return u32(x);
}`,
};

function conversionShader(expression: string, conversion: Conversion): WgslSingle<Size> {
  const perInvocation = isHalf(conversion.type) ? 2 : 1;
  return {
    uses: conversion.wgsl.uses,
    // Of a pair, the float side is a vector and the stored side a word.
    views: isHalf(conversion.type)
      ? expression === conversion.wgsl.toFloat
        ? { y: "vec2<f32>" }
        : { x: "vec2<f32>" }
      : {},
    invocations: ({ size }) => Math.ceil(size / perInvocation),
    pieces: () => elementPieces(["x", "y"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * ${perInvocation}u >= params.size) { return; }
  let x = x[i];
  y[i] = ${expression};
}`,
  };
}

interface Size {
  readonly size: number;
}

const conversions = {
  f16: halfConversion("f16"),
  bf16: halfConversion("bf16"),
  i32: {
    ...{ type: "i32", toFloat: identity, fromFloat: (x) => whole(x, -(2 ** 31), 2 ** 31 - 1) },
    wgsl: { toFloat: "f32(x)", fromFloat: "saturatedI32(x)", uses: [saturated] },
  },
  u32: {
    ...{ type: "u32", toFloat: identity, fromFloat: (x) => whole(x, 0, 2 ** 32 - 1) },
    wgsl: { toFloat: "f32(x)", fromFloat: "saturatedU32(x)", uses: [saturated] },
  },
  bool: {
    ...{ type: "u32", toFloat: identity, fromFloat: (x) => (x === 0 ? 0 : 1) },
    // By bits: a driver may take a denormal for 0.
    wgsl: {
      toFloat: "f32(x)",
      fromFloat: "select(0u, 1u, (bitcast<u32>(x) & 0x7fffffffu) != 0u)",
      uses: [],
    },
  },
} satisfies Record<Converted, Conversion>;

/** Dtypes that convert to and from the floats that arithmetic runs in. */
type Converted = Exclude<Dtype, "f32" | "f64" | "q8">;

function halfConversion(type: HalfDtype): Conversion {
  const { widen, narrow, snippet, unpack, pack } = codecs[type];
  return {
    ...{ type, toFloat: widen, fromFloat: narrow },
    wgsl: { toFloat: `${unpack}(x)`, fromFloat: `${pack}(x)`, uses: [snippet] },
  };
}

function whole(x: number, least: number, most: number): number {
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), least), most);
}

function defineConversion(dtype: Converted) {
  const conversion: Conversion = conversions[dtype];
  const { type, toFloat, fromFloat, wgsl } = conversion;
  const body = (name: string): { readonly wasm?: WasmBody } =>
    isHalf(type) ? { wasm: elementwiseWasm(name, storedFloats[type].selector) } : {};
  const name = `${dtype[0]!.toUpperCase()}${dtype.slice(1)}`;
  return {
    toFloat: defineKernel({
      name: `cast${name}ToFloat`,
      inputs: { x: type },
      outputs: { y: "float" },
      params: { size: "u32" },
      ...body("widen"),
      wgsl: conversionShader(wgsl.toFloat, conversion),
      plain({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = toFloat(x[i]!);
      },
    }),
    fromFloat: defineKernel({
      name: `castFloatTo${name}`,
      inputs: { x: "float" },
      outputs: { y: type },
      params: { size: "u32" },
      ...body("narrow"),
      wgsl: conversionShader(wgsl.fromFloat, conversion),
      plain({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = fromFloat(x[i]!);
      },
    }),
  };
}

const conversionKernels = {
  f16: defineConversion("f16"),
  bf16: defineConversion("bf16"),
  i32: defineConversion("i32"),
  u32: defineConversion("u32"),
  bool: defineConversion("bool"),
} satisfies Record<Converted, unknown>;

// One call computes in one float type, so that doubles come and go as pairs of words. They exist on
// the cpu only.

const doubles = (words: Uint32Array): Float64Array =>
  new Float64Array(words.buffer, words.byteOffset, words.length / 2);

export const castF64ToF32Kernel = defineKernel({
  name: "castF64ToF32",
  inputs: { x: "u32" },
  outputs: { y: "f32" },
  params: { size: "u32" },
  plain({ x, y }) {
    y.set(doubles(x));
  },
});

export const castF32ToF64Kernel = defineKernel({
  name: "castF32ToF64",
  inputs: { x: "f32" },
  outputs: { y: "u32" },
  params: { size: "u32" },
  plain({ x, y }) {
    doubles(y).set(x);
  },
});

/** A second handle on the bytes of an f64 tensor, as words. */
function wordsOf(x: Tensor): Tensor {
  x.storage.retain();
  return new Tensor(x.storage, [2 * x.size], "u32", x.device);
}

/**
 * The elements of x as `dtype`; a second handle on x's storage when it has that dtype already.
 * @throws {DtypeError} between i32 and u32: f32 between them would lose digits; to q8
 */
export function castForward(x: Tensor, dtype: Dtype): Tensor {
  if (x.dtype === dtype) return alias(x);
  if (dtype === "q8") {
    throw new DtypeError(
      `cast: dtype must not be q8, got ${x.dtype} to q8. Make it where the values are: tensor(values, shape, { dtype: "q8" }).`,
    );
  }
  if (x.dtype === "q8" && dtype === "f32") {
    const y = empty(x.device, x.shape, "f32");
    widenQ8Into(x, y);
    return y;
  }
  const [fromFloat, toFloat] = [isFullFloat(x.dtype), isFullFloat(dtype)];
  if (x.dtype === "q8" || (!fromFloat && !toFloat)) return byWayOfFloat(x, dtype);
  const y = empty(x.device, x.shape, dtype);
  const params = { size: x.size };
  if (fromFloat && toFloat) {
    const words = wordsOf(x.dtype === "f64" ? x : y);
    if (x.dtype === "f64") launch(castF64ToF32Kernel, { x: words, y }, params);
    else launch(castF32ToF64Kernel, { x, y: words }, params);
    words.dispose();
  } else if (fromFloat) launch(conversionKernels[dtype as Converted].fromFloat, { x, y }, params);
  else launch(conversionKernels[x.dtype as Converted].toFloat, { x, y }, params);
  return y;
}

/** f32 and f64, in which arithmetic runs. */
function isFullFloat(dtype: Dtype): boolean {
  return isFloat(dtype) && !isHalf(dtype);
}

function byWayOfFloat(x: Tensor, dtype: Exclude<Dtype, "q8">): Tensor {
  const isWord = (type: Dtype): boolean => type === "i32" || type === "u32";
  if (isWord(x.dtype) && isWord(dtype)) {
    throw new DtypeError(
      `cast: must not be between i32 and u32, got ${x.dtype} to ${dtype}. Cast to f64 in between.`,
    );
  }
  const middle = castForward(x, "f32");
  const y = castForward(middle, dtype);
  middle.dispose();
  return y;
}
