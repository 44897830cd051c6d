// A model of one's own, trained with nothing but what the package exports.

import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/index.ts";
import {
  add,
  AdamW,
  backward,
  clipGradNorm,
  matmul,
  mean,
  mul,
  openDevice,
  relu,
  scheduleFactor,
  scope,
  sub,
  tensor,
  type Device,
} from "../../src/index.ts";
import { distance } from "../support/describeOp.ts";

const POINTS = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const XOR = [[0], [1], [1], [0]];
const HIDDEN = 16;
const STEPS = 150;

/** [rows, cols] of numbers in (-1, 1), the same in every run. */
function weight(device: Device, rows: number, cols: number, seed: number): Tensor {
  const values = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(seed + 7.3 * i));
  return tensor(values, [rows, cols], { device, requiresGrad: true });
}

function mlp(device: Device) {
  const parameters = [
    weight(device, 2, HIDDEN, 1),
    weight(device, 1, HIDDEN, 2),
    weight(device, HIDDEN, 1, 3),
    weight(device, 1, 1, 4),
  ];
  const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
  const x = tensor(POINTS, undefined, { device });
  const target = tensor(XOR, undefined, { device });
  const loss = (): Tensor => {
    const hidden = relu(add(matmul(x, w1), b1));
    const error = sub(add(matmul(hidden, w2), b2), target);
    return mean(mul(error, error));
  };
  return { parameters, loss };
}

describe.each(["cpu", "webgpu"] as const)("an MLP on %s", (kind) => {
  it("learns XOR with the Map of backward", async () => {
    const device = await openDevice(kind);
    const { parameters, loss } = mlp(device);
    const optimizer = new AdamW(parameters, { lr: 0.05, weightDecay: 0 });
    const schedule = { type: "cosine", warmupSteps: 5, totalSteps: STEPS } as const;
    for (let step = 0; step < STEPS; step++) {
      const rate = optimizer.lr * scheduleFactor(schedule, optimizer.steps);
      scope(() => {
        const gradients = backward(loss());
        const { scale } = clipGradNorm(gradients, 1);
        optimizer.step(gradients, rate, scale);
      });
    }
    expect(await scope(loss).item()).toBeLessThan(1e-2);
    await device.close();
  });

  it("learns XOR with zeroGrad, to rounding the same, and leaves no tensors behind", async () => {
    const device = await openDevice(kind);
    const models = [mlp(device), mlp(device)] as const;
    const [mapped, held] = models.map(({ parameters }) => new AdamW(parameters, { lr: 0.05 })) as [
      AdamW,
      AdamW,
    ];
    const { tensors } = device.memory();
    for (let step = 0; step < STEPS; step++) {
      scope(() => {
        const map = backward(models[0].loss());
        mapped.step(map, undefined, clipGradNorm(map, 0.5).scale);
        const gradients = held.zeroGrad();
        gradients.backward(models[1].loss());
        gradients.clip(0.5);
        held.step(gradients);
        gradients.dispose();
      });
    }
    expect(device.memory().tensors).toBe(tensors);
    const [a, b] = await Promise.all(
      models.map(({ parameters }) => Promise.all(parameters.map((p) => p.data()))),
    );
    // Gradients in a pack are summed for the norm in another order.
    a!.forEach((values, i) => expect(distance(b![i]!, values)).toBeLessThan(1e-4));
    expect(await scope(models[1].loss).item()).toBeLessThan(1e-2);
    await device.close();
  });
});
