// Conversion between dtypes; gradients are converted back.

import { castForward } from "../../kernels/cast.ts";
import type { Dtype } from "../../tensor/dtype.ts";
import { isHalf } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * The elements of x as `dtype`; 16-bit floats are rounded to nearest, ties to even.
 * The gradient of a 16-bit tensor is f32.
 * @throws {DtypeError} for a pair that has no conversion
 */
export function cast(x: Tensor, dtype: Dtype): Tensor {
  const back = isHalf(x.dtype) ? "f32" : x.dtype;
  return record({
    name: "cast",
    inputs: [x],
    output: castForward(x, dtype),
    saved: {},
    backward: (dy) => [castForward(dy, back)],
  });
}
