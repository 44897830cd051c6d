// Conversions between dtypes. 16-bit floats are rounded to nearest, ties to even.

import type { Dtype } from "../tensor/dtype.ts";
import { DtypeError } from "../tensor/errors.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../tensor/half.ts";
import { alias, empty, type Tensor } from "../tensor/tensor.ts";
import { defineKernel, launch } from "./kernel.ts";

export const f16ToF32Kernel = defineKernel({
  name: "f16ToF32",
  inputs: { x: "f16" },
  outputs: { y: "f32" },
  params: { size: "u32" },
  cpu({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = float16ToFloat32(x[i]!);
  },
});

export const bf16ToF32Kernel = defineKernel({
  name: "bf16ToF32",
  inputs: { x: "bf16" },
  outputs: { y: "f32" },
  params: { size: "u32" },
  cpu({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = bfloat16ToFloat32(x[i]!);
  },
});

export const f32ToF16Kernel = defineKernel({
  name: "f32ToF16",
  inputs: { x: "f32" },
  outputs: { y: "f16" },
  params: { size: "u32" },
  cpu({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = float32ToFloat16(x[i]!);
  },
});

export const f32ToBf16Kernel = defineKernel({
  name: "f32ToBf16",
  inputs: { x: "f32" },
  outputs: { y: "bf16" },
  params: { size: "u32" },
  cpu({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = float32ToBfloat16(x[i]!);
  },
});

export const i32ToF32Kernel = defineKernel({
  name: "i32ToF32",
  inputs: { x: "i32" },
  outputs: { y: "f32" },
  params: { size: "u32" },
  cpu({ x, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = x[i]!;
  },
});

/**
 * The elements of x as `dtype`.
 * @throws {DtypeError} for a pair that has no conversion
 */
export function castForward(x: Tensor, dtype: Dtype): Tensor {
  if (x.dtype === dtype) return alias(x);
  const y = empty(x.device, x.shape, dtype);
  const params = { size: x.size };
  if (x.dtype === "f16" && dtype === "f32") launch(f16ToF32Kernel, { x, y }, params);
  else if (x.dtype === "bf16" && dtype === "f32") launch(bf16ToF32Kernel, { x, y }, params);
  else if (x.dtype === "f32" && dtype === "f16") launch(f32ToF16Kernel, { x, y }, params);
  else if (x.dtype === "f32" && dtype === "bf16") launch(f32ToBf16Kernel, { x, y }, params);
  else if (x.dtype === "i32" && dtype === "f32") launch(i32ToF32Kernel, { x, y }, params);
  else {
    y.dispose();
    throw new DtypeError(
      `cast: must be between f32 and f16, bf16 or i32, got ${x.dtype} to ${dtype}`,
    );
  }
  return y;
}
