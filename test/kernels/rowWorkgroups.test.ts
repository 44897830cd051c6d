// Kernels along rows in the workgroups that GPUs get and in those of a CPU that plays one, against their bodies in TypeScript.

import { afterAll, describe, expect, it } from "vitest";
import { crossEntropyBackward, crossEntropyForward } from "../../src/kernels/rows/crossEntropy.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { rmsNormBackward, rmsNormBackwardWeight } from "../../src/kernels/rows/rmsNormBackward.ts";
import { softmaxBackward, softmaxForward } from "../../src/kernels/rows/softmax.ts";
import type { Device } from "../../src/tensor/device.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { openWebGpu } from "../../src/tensor/webgpu/open.ts";
import { values } from "../support/random.ts";

const plain = await openDevice("cpu", { kernels: "plain" });
const gpus = [await openWebGpu({ software: false }), await openWebGpu({ software: true })];
afterAll(() => Promise.all([plain, ...gpus].map((device) => device.close())));

const ROWS = 5;
const loss = { ignoreIndex: -100, labelSmoothing: 0.1 };

/** Forward and backward of each, over rows of `cols`. */
function results(device: Device, cols: number): Record<string, Tensor> {
  const f32 = { device, dtype: "f32" } as const;
  const matrix = (seed: number) => tensor(values(ROWS * cols, seed), [ROWS, cols], f32);
  const [x, dy, stream] = [matrix(1), matrix(2), matrix(3)];
  const weight = tensor(values(cols, 4), [cols], f32);
  const labels = tensor([0, -100, cols - 1, 0, cols >> 1], [ROWS], { device, dtype: "i32" });
  const probabilities = softmaxForward(x);
  const { y, rrms } = rmsNormForward(x, weight, 1e-6);
  const halfs = (["f16", "bf16"] as const).flatMap((dtype): [string, Tensor][] => {
    const half = tensor(values(cols, 4), [cols], { device, dtype });
    const normed = rmsNormForward(x, half, 1e-6);
    return [
      [`rmsNorm ${dtype}`, normed.y],
      [`rrms ${dtype}`, normed.rrms],
      [`rmsNormBackward ${dtype}`, rmsNormBackward(x, half, rrms, dy)],
    ];
  });
  const saved = crossEntropyForward(x, labels, loss);
  const dloss = tensor([0.5], [], f32);
  return {
    softmax: probabilities,
    softmaxBackward: softmaxBackward(probabilities, dy),
    rmsNorm: y,
    rrms,
    rmsNormBackward: rmsNormBackward(x, weight, rrms, dy),
    rmsNormBackwardOnto: rmsNormBackward(x, weight, rrms, dy, stream),
    rmsNormBackwardWeight: rmsNormBackwardWeight(x, rrms, dy),
    rmsNormBackwardWeightOnto: rmsNormBackwardWeight(
      x,
      rrms,
      dy,
      tensor(values(cols, 5), [cols], f32),
    ),
    ...Object.fromEntries(halfs),
    crossEntropy: saved.loss,
    lse: saved.lse,
    crossEntropyBackward: crossEntropyBackward(dloss, { logits: x, labels, ...saved }, loss),
  };
}

const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data());

describe.each(gpus)("rows on webgpu", (gpu) => {
  it.each([2, 3, 4, 33, 256, 260, 1026, 2052])(
    `of %i elements, ${gpu.adapter.software ? "a CPU playing" : "as on GPUs"}`,
    async (cols) => {
      const expected = results(plain, cols);
      for (const [name, y] of Object.entries(results(gpu, cols))) {
        const [found, exact] = [await numbers(y), await numbers(expected[name]!)];
        const largest = exact.reduce((most, each) => Math.max(most, Math.abs(each)), 1e-30);
        const errors = found.map((each, i) => Math.abs(each - exact[i]!) / largest);
        expect(Math.max(...errors), name).toBeLessThan(1e-5);
      }
    },
  );
});
