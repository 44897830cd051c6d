// Numbers rounded to what a 16-bit float can hold, kept in their own dtype: the operands and results of mixed precision.
//
//   y = widen(narrow(x))      to nearest, ties to even; above the largest number infinity; NaN stays NaN

import type { HalfDtype } from "../../tensor/dtype.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { codecs, storedFloats } from "../storedFloats.ts";

export type { HalfDtype };

/** The same body for both, each with its own `nearest`. */
const shader = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.size) { y[i] = nearest(x[i]); }
}`;

function defineRounding(dtype: HalfDtype) {
  const { suffix, selector } = storedFloats[dtype];
  const { widen, narrow, snippet, round } = codecs[dtype];
  const nearest: WgslSnippet = {
    source: `fn nearest(x: f32) -> f32 { return ${round}(x); }`,
    uses: [snippet],
  };
  return defineKernel({
    name: `roundTo${suffix}`,
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32" },
    wasm: elementwiseWasm("roundTo", selector),
    wgsl: { uses: [nearest], invocations: ({ size }) => size, source: shader },
    plain({ x, y }, { size }) {
      for (let i = 0; i < size; i++) y[i] = widen(narrow(x[i]!));
    },
  });
}

const kernels = {
  bf16: defineRounding("bf16"),
  f16: defineRounding("f16"),
} satisfies Record<HalfDtype, unknown>;
export const { bf16: roundToBf16Kernel, f16: roundToF16Kernel } = kernels;

/** x rounded to `dtype`, in x's own dtype (f32 or f64). */
export function roundToForward(x: Tensor, dtype: HalfDtype): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(kernels[dtype], { x, y }, { size: x.size });
  return y;
}
