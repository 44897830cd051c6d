// Work of every kernel that writes copies in 16 bits for backward (src/kernels/pointwise/keptCopies.ts), of those that read them, and
// of the same for f32.

import { attentionBackward } from "../../src/kernels/attention/backward.ts";
import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { dropoutParams } from "../../src/kernels/pointwise/dropout.ts";
import { gatedGeluBackward, gatedGeluForward } from "../../src/kernels/pointwise/gatedGelu.ts";
import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { rmsNormBackwardBoth } from "../../src/kernels/rows/rmsNormBackwardBoth.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { HalfDtype } from "../../src/tensor/dtype.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { noise } from "../kernels/kernelBench.ts";

type Make = (shape: readonly number[], seed: number) => Tensor;

/** @param seed decides sizes and numbers; heads and rows are whole vectors */
export function keptCopies(device: Device, seed: number): void {
  const make: Make = (shape, more) =>
    tensor(noise(shape, seed + more, 3).values, shape, { device, dtype: "f32" });
  for (const dtype of ["bf16", "f16"] as const) {
    norms(make, dtype, [3 + seed, 4 * (1 + (seed % 5))]);
    const dropout = dropoutParams("bench", { p: 0.3, seed, offset: 2 });
    const [a, b, dy] = [1, 2, 3].map((more) => make([5, 4 * seed], more)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    for (const drop of [dropout, null]) {
      const { kept } = gatedGeluForward(a, b, drop, dtype);
      gatedGeluBackward(kept!.a, kept!.b, dy, drop);
    }
    for (const roundToF16 of [false, true]) attentions(make, dtype, roundToF16, 16 + 5 * seed);
  }
}

function norms(make: Make, dtype: HalfDtype, [rows, cols]: readonly [number, number]): void {
  const [x, dy, rrms] = [make([rows, cols], 1), make([rows, cols], 2), make([rows], 4)];
  const kept = castForward(x, dtype);
  for (const stored of ["f32", "bf16", "f16"] as const) {
    const weight = castForward(make([cols], 3), stored);
    for (const keepX of [true, false]) rmsNormForward(x, weight, 1e-6, { keepAs: dtype, keepX });
    for (const saved of [kept, x]) {
      rmsNormBackward(saved, weight, rrms, dy);
      rmsNormBackwardBoth(saved, weight, rrms, dy, { dx: make([rows, cols], 5), dweight: null });
    }
  }
  rmsNormBackwardWeight(kept, rrms, dy);
}

/** Of padded rows and of packed ones. */
function attentions(make: Make, dtype: HalfDtype, roundToF16: boolean, length: number): void {
  const settings = { heads: 2, mask: null, causal: true, scale: 0.3, dropout: null, roundToF16 };
  const shape = { padded: [2, length, 16], packed: [length + 3, 16] };
  const rows = { queries: [length, 3], keys: [length, 3] };
  for (const packed of [false, true]) {
    const [q, k, v, dy] = [1, 2, 3, 4].map((more) =>
      make(packed ? shape.packed : shape.padded, more),
    ) as [Tensor, Tensor, Tensor, Tensor];
    const bias = make([2, length, length], 5);
    const options = { ...settings, bias, ...(packed ? { rows } : {}) };
    const { y, kept, lse, offsets } = attentionForward(q, k, v, options, dtype);
    const needs = { q: true, k: true, v: true, bias: true };
    for (const saved of [kept!, { q, k, v, y }]) {
      attentionBackward(dy, { ...saved, lse, offsets, bias, mask: null }, options, needs);
    }
  }
}
