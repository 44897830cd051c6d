// What attention holds at 512 tokens, forward and backward: fused, never as much as one [B, H, T, S]; composed from small ops,
// several of them.

import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { attention, attentionComposed } from "../../src/autograd/ops/attention.ts";
import { relativePositionBias } from "../../src/autograd/ops/relativePositionBias.ts";
import type { Device } from "../../src/tensor/device.ts";
import { scope } from "../../src/tensor/scope.ts";
import { full, tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { values } from "../support/random.ts";

const [B, T, H, D] = [2, 512, 2, 16];
const scoreBytes = 4 * B * H * T * T;
const dropout = { p: 0.1, seed: 3, offset: 1 };
const mask = Int32Array.from({ length: B * T }, (_, i) => (i % T < 500 ? 1 : 0));

/**
 * Bytes above those of the inputs at the worst moment of a step through two blocks. On webgpu they are counted when kernels
 * are recorded, so nothing waits for a software adapter.
 */
function peakOf(device: Device, attend: typeof attention, isBiased: boolean): number {
  const leaf = (seed: number, shape: readonly number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b);
    return tensor(values(size, seed), shape, { device, dtype: "f32", requiresGrad: true });
  };
  return scope(() => {
    const inputs = [1, 2, 3].map((seed) => leaf(seed, [B, T, H * D]));
    const table = leaf(4, [32, H]);
    const words = tensor(mask, [B, T], { device });
    device.resetPeak();
    const before = device.memory().bytes;
    scope(() => {
      const [q, k, v] = inputs as [Tensor, Tensor, Tensor];
      const lengths = { queryLength: T, keyLength: T };
      const options = { ...lengths, bidirectional: true, maxDistance: 128 };
      const bias = isBiased ? relativePositionBias(table, options) : null;
      const block = (x: Tensor): Tensor =>
        attend(x, k, v, { heads: H, bias, mask: words, dropout });
      const y = block(block(q));
      backward(y, isBiased ? [...inputs, table] : inputs, full(y.shape, 1, { device }));
    });
    return device.memory().peakBytes - before;
  });
}

describe.each([
  // Threads of the cpu device have scratch for a block of 128 queries each.
  ["cpu", cpu, scoreBytes],
  ["webgpu", gpu, scoreBytes / 2],
])("attention at 512 tokens on %s", (_name, device, bound) => {
  it("never holds a [B, H, T, S]", () => {
    expect(peakOf(device, attention, false)).toBeLessThan(bound);
  });

  it("holds the bias [H, T, S] of all blocks once, and its gradient once", () => {
    const biasBytes = scoreBytes / B;
    const rest = peakOf(device, attention, false);
    const all = peakOf(device, attention, true);
    expect(all).toBeLessThanOrEqual(2 * biasBytes + rest + 2 ** 18);
    expect(all).toBeGreaterThanOrEqual(2 * biasBytes);
  });

  it("holds many without the fused kernel", () => {
    expect(peakOf(device, attentionComposed, true)).toBeGreaterThan(10 * scoreBytes);
  });
});
