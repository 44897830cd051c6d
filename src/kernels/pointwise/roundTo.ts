// Numbers rounded to what a 16-bit float can hold, kept in their own dtype: the operands and results of mixed precision.
//
//   y = widen(narrow(x))      to nearest, ties to even; above the largest number infinity; NaN stays NaN

import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../tensor/half.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { selectors } from "../storedFloats.ts";
import { bf16, f16 } from "../wgsl/halfs.ts";

/** The 16-bit floats that mixed precision rounds to. */
export type HalfDtype = "f16" | "bf16";

/** The same body for both, each with its own `nearest`. */
const shader = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.size) { y[i] = nearest(x[i]); }
}`;
const nearestBf16: WgslSnippet = {
  source: "fn nearest(x: f32) -> f32 { return roundBf16(x); }",
  uses: [bf16],
};
const nearestF16: WgslSnippet = {
  source: "fn nearest(x: f32) -> f32 { return roundF16(x); }",
  uses: [f16],
};

function defineRounding(
  name: string,
  dtype: HalfDtype,
  nearest: WgslSnippet,
  round: (x: number) => number,
) {
  return defineKernel({
    name,
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32" },
    wasm: elementwiseWasm("roundTo", selectors[dtype]),
    wgsl: { uses: [nearest], invocations: ({ size }) => size, source: shader },
    plain({ x, y }, { size }) {
      for (let i = 0; i < size; i++) y[i] = round(x[i]!);
    },
  });
}

export const roundToBf16Kernel = defineRounding("roundToBf16", "bf16", nearestBf16, (x) =>
  bfloat16ToFloat32(float32ToBfloat16(x)),
);
export const roundToF16Kernel = defineRounding("roundToF16", "f16", nearestF16, (x) =>
  float16ToFloat32(float32ToFloat16(x)),
);

/** x rounded to `dtype`, in x's own dtype (f32 or f64). */
export function roundToForward(x: Tensor, dtype: HalfDtype): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(dtype === "bf16" ? roundToBf16Kernel : roundToF16Kernel, { x, y }, { size: x.size });
  return y;
}
