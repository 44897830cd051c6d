// FLAN-T5's gated activation, fused with the dropout behind it. The gates of other models are composed where they are used
// (t5/layers.ts).

import { dropoutParams, type Dropout } from "../../kernels/pointwise/dropout.ts";
import { gatedGeluBackward, gatedGeluForward } from "../../kernels/pointwise/gatedGelu.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { holdCopy, keptDtype, type KeepOptions } from "../keptCopies.ts";
import { record } from "../tape.ts";
import { dropout as applyDropout } from "./dropout.ts";
import { gelu, mul } from "./pointwise.ts";

/**
 * gelu(a) * b, gelu being the tanh approximation (gelu_new of transformers), and dropout of it in the same pass. No mask is
 * saved: backward draws it again.
 * @param a any shape
 * @param b of a's shape
 * @param dropout of the result, as `dropout` of it: element i of the stream belongs to its element i. Default none, as p = 0
 * @throws {ShapeError} unless both have one shape
 * @throws {ArgumentError} for a dropout probability outside 0..1
 */
export function gatedGelu(
  a: Tensor,
  b: Tensor,
  dropout: Dropout | null = null,
  { keepAs = null }: KeepOptions = {},
): Tensor {
  requireTensors("gatedGelu", { a, b });
  const given = dropout && dropoutParams("gatedGelu", dropout);
  const params = dropout && dropout.p > 0 ? given : null;
  const { y, kept } = gatedGeluForward(a, b, params, keptDtype(keepAs, [a, b]));
  const output = record({
    name: "gatedGelu",
    inputs: [a, b],
    output: y,
    saved: { a: kept?.a ?? a, b: kept?.b ?? b },
    backward(dy, { a, b }, { needs }) {
      const { da, db } = gatedGeluBackward(a, b, dy, params);
      return [needs[0] ? da : null, needs[1] ? db : null];
    },
  });
  if (kept) {
    holdCopy(output, kept.y);
    for (const copy of [kept.a, kept.b]) copy.dispose();
  }
  return output;
}

/** The same from unfused ops: documentation and test oracle of `gatedGelu`. */
export function gatedGeluComposed(a: Tensor, b: Tensor, dropout: Dropout | null = null): Tensor {
  const y = mul(gelu(a), b);
  return dropout ? applyDropout(y, dropout.p, dropout) : y;
}
