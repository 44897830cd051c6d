// Conversions between dtypes. Every dtype converts to and from floats; other pairs go by way of f32.
//
//   to f16, bf16    rounded to nearest, ties to even; above the largest number infinity
//   to i32, u32     the fraction is cut off; out of range the nearest end; NaN gives 0
//   to bool         0 gives false, all else true

import { isFloat, isHalf, type Dtype } from "../tensor/dtype.ts";
import { DtypeError } from "../tensor/errors.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../tensor/half.ts";
import { alias, empty, Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

interface Conversion {
  /** Binding of the converted elements. */
  readonly type: "f16" | "bf16" | "i32" | "u32";
  toFloat(stored: number): number;
  fromFloat(value: number): number;
}

const identity = (x: number): number => x;

const conversions = {
  f16: { type: "f16", toFloat: float16ToFloat32, fromFloat: float32ToFloat16 },
  bf16: { type: "bf16", toFloat: bfloat16ToFloat32, fromFloat: float32ToBfloat16 },
  i32: { type: "i32", toFloat: identity, fromFloat: (x) => whole(x, -(2 ** 31), 2 ** 31 - 1) },
  u32: { type: "u32", toFloat: identity, fromFloat: (x) => whole(x, 0, 2 ** 32 - 1) },
  bool: { type: "u32", toFloat: identity, fromFloat: (x) => (x === 0 ? 0 : 1) },
} satisfies Partial<Record<Dtype, Conversion>>;

type Converted = keyof typeof conversions;

function whole(x: number, least: number, most: number): number {
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), least), most);
}

function defineConversion(dtype: Converted) {
  const { type, toFloat, fromFloat }: Conversion = conversions[dtype];
  const name = `${dtype[0]!.toUpperCase()}${dtype.slice(1)}`;
  return {
    toFloat: defineKernel({
      name: `cast${name}ToFloat`,
      inputs: { x: type },
      outputs: { y: "float" },
      params: { size: "u32" },
      cpu({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = toFloat(x[i]!);
      },
    }),
    fromFloat: defineKernel({
      name: `castFloatTo${name}`,
      inputs: { x: "float" },
      outputs: { y: type },
      params: { size: "u32" },
      cpu({ x, y }, { size }) {
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
  cpu({ x, y }) {
    y.set(doubles(x));
  },
});

export const castF32ToF64Kernel = defineKernel({
  name: "castF32ToF64",
  inputs: { x: "f32" },
  outputs: { y: "u32" },
  params: { size: "u32" },
  cpu({ x, y }) {
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
 * @throws {DtypeError} between i32 and u32: f32 between them would lose digits
 */
export function castForward(x: Tensor, dtype: Dtype): Tensor {
  if (x.dtype === dtype) return alias(x);
  const [fromFloat, toFloat] = [isFullFloat(x.dtype), isFullFloat(dtype)];
  if (!fromFloat && !toFloat) return byWayOfFloat(x, dtype);
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

function byWayOfFloat(x: Tensor, dtype: Dtype): Tensor {
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
