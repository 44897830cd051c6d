// Tensors larger than a binding, on an adapter that is said to bind no more than 32 KiB: the same results as in one piece.

import { afterAll, describe, expect, it } from "vitest";
import { crossEntropy } from "../../src/autograd/ops/crossEntropy.ts";
import { embedding } from "../../src/autograd/ops/embedding.ts";
import { backward } from "../../src/autograd/backward.ts";
import { adamwInPlace } from "../../src/kernels/optimizer/adamw.ts";
import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { castForward } from "../../src/kernels/pointwise/cast.ts";
import { gradientNormForward } from "../../src/kernels/optimizer/gradientNorm.ts";
import { scalarForward, unaryForward } from "../../src/kernels/pointwise/pointwise.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { distance } from "../support/describeOp.ts";
import { cpu } from "../support/device.ts";
import { values } from "../support/random.ts";

const small = await openWebGpu({ bindingBytes: 32768 });
afterAll(() => small.close());

/** Runs `compute` here and on the cpu device and compares what it returns. */
async function compare(compute: (device: Device) => Tensor[], tolerance = 1e-6): Promise<void> {
  const [ours, expected] = [small, cpu].map((device) => scope(() => compute(device)));
  for (const [i, x] of expected!.entries()) {
    const error = distance(await ours![i]!.data(), await x.data());
    expect(error, `result ${i}`).toBeLessThanOrEqual(tolerance);
  }
}

const size = 20_001;
const numbers = (device: Device, seed: number, dtype: Dtype = "f32"): Tensor =>
  tensor(values(size, seed), [size], { device, dtype });

describe("tensors larger than a binding", () => {
  it("go through pointwise kernels, sums in place and casts", () =>
    compare((device) => {
      const x = numbers(device, 1);
      const y = scalarForward("mulScalar", unaryForward("relu", x), 3);
      addInPlace(y, x);
      return [y, castForward(castForward(x, "bf16"), "f32"), castForward(x, "i32")];
    }));

  it.each(["f32", "bf16"] as const)("are updated by AdamW in %s", (dtype) =>
    compare(
      (device) => {
        const [p, m] = [numbers(device, 1, dtype), numbers(device, 2, dtype)];
        const v = castForward(
          scalarForward("addScalar", unaryForward("relu", numbers(device, 3)), 0.1),
          dtype,
        );
        const { norm, scale } = gradientNormForward([numbers(device, 4)], 1);
        const settings = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8 };
        adamwInPlace(
          { p, m, v, gradient: numbers(device, 4), scale },
          { ...settings, weightDecay: 0.01, step: 3 },
        );
        return [norm, castForward(p, "f32"), castForward(m, "f32"), castForward(v, "f32")];
        // A number between two of bf16 may be rounded to either, by whether its product and sum were fused.
      },
      dtype === "bf16" ? 2 ** -7 : 1e-4,
    ),
  );

  it.each(["f32", "bf16", "f16"] as const)("are looked up in as tables of %s", (dtype) =>
    compare((device) => {
      const table = tensor(values(1000 * 21, 1), [1000, 21], { device, dtype });
      const ids = tensor([0, 999, 5, 383, 384, 385, 999, 640], [8], { device, dtype: "i32" });
      return [embedding(table, ids)];
    }),
  );

  it("have their cross-entropy taken, and its gradient", () =>
    compare((device) => {
      const logits = tensor(values(150 * 80, 1), [150, 80], {
        ...{ device, dtype: "f32", requiresGrad: true },
      });
      const labels = tensor(
        Int32Array.from({ length: 150 }, (_, i) => (i % 7 === 0 ? -100 : (i * 31) % 80)),
        [150],
        { device },
      );
      const loss = crossEntropy(logits, labels, { labelSmoothing: 0.1 });
      return [loss, backward(loss, [logits]).get(logits)!];
    }));

  it("get the gradient of a lookup", () =>
    compare((device) => {
      const table = tensor(values(1000 * 21, 1), [1000, 21], {
        device,
        dtype: "f32",
        requiresGrad: true,
      });
      const ids = tensor([0, 999, 5, 383, 384, 385, 999, 640], [8], { device, dtype: "i32" });
      const y = embedding(table, ids);
      const seed = tensor(values(8 * 21, 2), [8, 21], { device, dtype: "f32" });
      return [backward(y, [table], seed).get(table)!];
    }));
});
