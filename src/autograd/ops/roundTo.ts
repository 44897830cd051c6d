// Rounding to 16-bit floats, both ways: what a tensor of that dtype between two f32 ops amounts to.

import { roundToForward as round, type HalfDtype } from "../../kernels/pointwise/roundTo.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { passOnCopy } from "../keptCopies.ts";
import { record } from "../tape.ts";

/**
 * x rounded to what `dtype` can hold, in x's own dtype. Its gradient is rounded in the same way, as PyTorch's is where
 * an activation is a 16-bit tensor; so in f16 it can overflow to infinity or vanish.
 * @param x f32 or f64 [...]
 */
export function roundTo(x: Tensor, dtype: HalfDtype): Tensor {
  requireTensors("roundTo", { x });
  const output = record({
    name: "roundTo",
    inputs: [x],
    output: round(x, dtype),
    saved: {},
    backward: (dy) => [round(dy, dtype)],
  });
  passOnCopy(x, output, dtype);
  return output;
}
