// Conversion between dtypes; gradients are converted back.

import { castForward } from "../../kernels/pointwise/cast.ts";
import { dtypes, isFloat, isHalf, type Dtype } from "../../tensor/dtype.ts";
import { requireTensors, requireThat } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../tape.ts";

/**
 * The elements of x as `dtype`; a second handle on x's storage when it has that dtype already.
 * To 16-bit floats: rounded to nearest, ties to even. To integers: towards 0, within their range, NaN to 0.
 * To bool: all but 0 are true. The gradient of a 16-bit tensor is f32; integers and bool have none.
 * @throws {DtypeError} between i32 and u32, and to q8, which `tensor` makes
 */
export function cast(x: Tensor, dtype: Dtype): Tensor {
  requireTensors("cast", { x });
  requireThat(
    Object.hasOwn(dtypes, dtype),
    "cast",
    `dtype must be one of ${Object.keys(dtypes).join(", ")}`,
    dtype,
    "float16 is f16 here, bfloat16 is bf16.",
  );
  const output = castForward(x, dtype);
  if (!isFloat(dtype)) return output;
  const back = isHalf(x.dtype) ? "f32" : x.dtype;
  return record({
    name: "cast",
    inputs: [x],
    output,
    saved: {},
    backward: (dy) => [castForward(dy, back)],
  });
}
