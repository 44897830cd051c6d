// What ops keep for backward in 16 bits: gradients of what is kept, one copy for all who read a tensor, and nothing left behind.

import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { keepCopy } from "../../src/autograd/keptCopies.ts";
import { attention } from "../../src/autograd/ops/attention.ts";
import { gatedGelu } from "../../src/autograd/ops/gatedGelu.ts";
import { linearEach } from "../../src/autograd/ops/linearEach.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, mulScalar } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { rmsNorm } from "../../src/autograd/ops/rmsNorm.ts";
import { roundTo } from "../../src/autograd/ops/roundTo.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { values } from "../support/random.ts";

const devices = [
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu", gpu],
] as const;
const HALFS = ["bf16", "f16"] as const;
const [ROWS, COLS] = [6, 32];

const leaf = (device: Device, shape: readonly number[], seed: number, dtype: Dtype = "f32") =>
  tensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
    { device, dtype, requiresGrad: true },
  );

/** Gradients of a sum of squares of `y`, so that rounding shows in them. */
async function gradientsOf(y: () => Tensor, leaves: readonly Tensor[]): Promise<number[][]> {
  const found = scope(() => {
    const out = y();
    const upstream = tensor(values(out.size, 99), out.shape, {
      device: out.device,
      dtype: out.dtype,
    });
    const gradients = backward(out, leaves, upstream);
    return leaves.map((x) => gradients.get(x)!.data());
  });
  return (await Promise.all(found)).map((data) => Array.from(data));
}

describe.each(devices)("keepAs, %s", (_title, device) => {
  it.each(HALFS)("gives a gated GELU the gradients of rounded inputs in %s", async (keepAs) => {
    const [a, b] = [leaf(device, [ROWS, COLS], 1), leaf(device, [ROWS, COLS], 2)];
    const [roundA, roundB] = [a, b].map((x) => noGrad(() => roundTo(x, keepAs))) as [
      Tensor,
      Tensor,
    ];
    for (const x of [roundA, roundB]) x.requiresGrad = true;
    const found = await gradientsOf(() => gatedGelu(a, b, null, { keepAs }), [a, b]);
    expect(found).toEqual(await gradientsOf(() => gatedGelu(roundA, roundB), [roundA, roundB]));
    expect(found).not.toEqual(await gradientsOf(() => gatedGelu(a, b), [a, b]));
    for (const x of [a, b, roundA, roundB]) x.dispose();
  });

  it.each(HALFS)("rounds what a weight's gradient is made from, in %s", async (keepAs) => {
    const x = leaf(device, [ROWS, COLS], 1);
    const weights = [2, 3].map((seed) => leaf(device, [8, COLS], seed));
    const rounded = noGrad(() => roundTo(x, keepAs));
    rounded.requiresGrad = true;
    const layers = (x: Tensor, options: object) => () => {
      const [y, z] = linearEach(x, weights, options) as [Tensor, Tensor];
      return add(add(y, z), matmul(x, weights[0]!, { transposeB: true, ...options }));
    };
    const [dx, ...ofWeights] = await gradientsOf(layers(x, { keepAs }), [x, ...weights]);
    const [, ...expected] = await gradientsOf(layers(rounded, {}), [rounded, ...weights]);
    const [exact, ...unrounded] = await gradientsOf(layers(x, {}), [x, ...weights]);
    expect(dx).toEqual(exact);
    ofWeights.forEach((gradient, i) =>
      gradient.forEach((value, j) => expect(value).toBeCloseTo(expected[i]![j]!, 5)),
    );
    expect(ofWeights).not.toEqual(unrounded);
    for (const each of [x, rounded, ...weights]) each.dispose();
  });

  it("gives gradients near those of f32 for a norm, with x kept and without", async () => {
    const [x, weight] = [leaf(device, [ROWS, COLS], 1), leaf(device, [COLS], 2)];
    const exact = await gradientsOf(() => rmsNorm(x, weight), [x, weight]);
    expect(
      await gradientsOf(
        () => rmsNorm(x, weight, 1e-6, { keepAs: "bf16", keepX: false }),
        [x, weight],
      ),
    ).toEqual(exact);
    const found = await gradientsOf(() => rmsNorm(x, weight, 1e-6, { keepAs: "f16" }), [x, weight]);
    expect(found).not.toEqual(exact);
    found.flat().forEach((value, i) => {
      expect(Math.abs(value - exact.flat()[i]!)).toBeLessThan(2 ** -6);
    });
    for (const each of [x, weight]) each.dispose();
  });

  it("leaves nothing behind, whether backward runs or not, in a scope or not", async () => {
    const before = device.memory().tensors;
    for (const runs of [true, false]) {
      const keepAs = "bf16";
      const leaves = [leaf(device, [2, 3, COLS], 1), leaf(device, [COLS], 2)];
      for (let seed = 3; seed < 6; seed++) leaves.push(leaf(device, [COLS, COLS], seed));
      const [x, weight, ...layers] = leaves as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const normed = rmsNorm(x, weight, 1e-6, { keepAs });
      const [q, k, v] = linearEach(normed, layers, { keepAs }) as [Tensor, Tensor, Tensor];
      const heads = attention(q, k, v, { heads: 4, keepAs });
      const projected = matmul(heads, layers[0], { transposeB: true, keepAs });
      const gated = gatedGelu(projected, normed, null, { keepAs });
      const scaled = mulScalar(gated, 2);
      const last = matmul(scaled, layers[1], { transposeB: true, keepAs });
      const total = sum(last);
      if (runs) for (const gradient of backward(total, leaves).values()) gradient.dispose();
      // Of a tensor whose op was used by backward the tape can hold no copy any more.
      for (let i = 0; i < 2; i++) matmul(scaled, layers[2], { transposeB: true, keepAs }).dispose();
      const made = [normed, q, k, v, heads, projected, gated, scaled, last, total];
      for (const each of [...leaves, ...made]) each.dispose();
      expect(device.memory().tensors).toBe(before);
    }
  });
});

describe("copies on the tape", () => {
  const bytesOf = (device: Device, make: () => Tensor): number => {
    const before = device.memory().bytes;
    const y = make();
    const bytes = device.memory().bytes - before - 4 * y.size;
    y.dispose();
    return bytes;
  };
  const WIDE = 256;

  it.each(devices)("are one for all layers that read a tensor, %s", (_title, device) => {
    const leaves = [leaf(device, [64, WIDE], 1), leaf(device, [WIDE], 2)];
    const weights = [3, 4, 5].map((seed) => leaf(device, [8, WIDE], seed));
    const [x, weight] = leaves as [Tensor, Tensor];
    const layers = (count: number, keepAs: "bf16" | null) => () =>
      scope(() => {
        const n = keepCopy(mulScalar(rmsNorm(x, weight, 1e-6, { keepAs }), 2), keepAs);
        return weights
          .slice(0, count)
          .map((w) => matmul(keepAs ? roundTo(n, keepAs) : n, w, { transposeB: true, keepAs }))
          .reduce((y, z) => add(y, z));
      });
    const [one, three] = [1, 3].map((count) => bytesOf(device, layers(count, "bf16"))) as [
      number,
      number,
    ];
    expect(three - one).toBeLessThan(4 * 64 * WIDE);
    expect(bytesOf(device, layers(1, null))).toBeGreaterThanOrEqual(4 * 64 * WIDE);
    for (const each of [...leaves, ...weights]) each.dispose();
  });

  it("are not made without a tape, nor where nothing has a gradient, nor of f64", () => {
    const frozen = (dtype: Dtype) =>
      tensor(values(ROWS * COLS, 1), [ROWS, COLS], { device: plain, dtype });
    const before = plain.memory().tensors;
    const tensors = [
      frozen("f32"),
      leaf(plain, [ROWS, COLS], 2),
      leaf(plain, [ROWS, COLS], 3, "f64"),
    ];
    const [x, learns, double] = tensors as [Tensor, Tensor, Tensor];
    const held = (y: Tensor): number => {
      const count = plain.memory().tensors - before - tensors.length - 1;
      y.dispose();
      return count;
    };
    expect(held(gatedGelu(x, x, null, { keepAs: "bf16" }))).toBe(0);
    expect(held(noGrad(() => gatedGelu(learns, x, null, { keepAs: "bf16" })))).toBe(0);
    const doubled = gatedGelu(double, double, null, { keepAs: "bf16" });
    expect(doubled.dtype).toBe("f64");
    expect(held(doubled)).toBe(2); // a and b as they are
    expect(held(gatedGelu(learns, x, null, { keepAs: "bf16" }))).toBe(3);
    for (const each of tensors) each.dispose();
  });
});
