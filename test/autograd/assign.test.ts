import { describe, expect, it } from "vitest";
import {
  assign,
  backward,
  mul,
  mulScalar,
  noGrad,
  reshape,
  sum,
} from "../../src/autograd/index.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

describe.each([
  ["wasm", cpu],
  ["plain", plain],
  ["webgpu", gpu],
] as const)("assign on %s", (_, device) => {
  it("writes elements of every dtype in place, views included", async () => {
    for (const dtype of ["f32", "f16", "bf16", "i32", "u32", "bool"] satisfies Dtype[]) {
      const x = zeros([2, 3], { device, dtype });
      const view = reshape(x, [6]);
      const source = tensor([1, 0, 1, 1, 0, 1], [2, 3], { device, dtype });
      expect(assign(x, source)).toBe(x);
      expect([...(await view.data())], dtype).toEqual([1, 0, 1, 1, 0, 1]);
      assign(source, [0, 0, 0, 0, 0, 0]);
      expect([...(await view.data())], dtype).toEqual([1, 0, 1, 1, 0, 1]);
    }
  });

  it("takes numbers, and tensors without axes or elements", async () => {
    const x = zeros([2, 2], { device });
    assign(x, [
      [1, 2],
      [3, 4],
    ]);
    expect(await x.array()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const scalar = assign(zeros([], { device }), 5);
    expect(await scalar.item()).toBe(5);
    assign(zeros([0, 3], { device }), zeros([0, 3], { device }));
  });

  it("trains a leaf that stays a leaf", async () => {
    const w = tensor([1, -2], [2], { device, requiresGrad: true });
    const { tensors } = device.memory();
    for (let step = 0; step < 3; step++) {
      scope(() => {
        const gradient = backward(sum(mul(w, w))).get(w)!;
        assign(
          w,
          noGrad(() => mulScalar(gradient, 0.25)),
        ); // w / 2
      });
    }
    expect(await w.array()).toEqual([0.125, -0.25]);
    expect(w.requiresGrad).toBe(true);
    expect(device.memory().tensors).toBe(tensors);
  });
});

it("refuses results of ops, other shapes, dtypes and devices", () => {
  scope(() => {
    const x = tensor([1, 2], [2], { device: cpu, requiresGrad: true });
    expect(() => assign(mulScalar(x, 2), x)).toThrowErrorMatchingInlineSnapshot(
      `[AutogradError: assign: target must be a leaf, got the result of an op. Make it with tensor(), or compute it in noGrad().]`,
    );
    expect(() => assign(x, zeros([2, 1], { device: cpu }))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: assign: source must be [2] as target, got [2, 1]]`,
    );
    expect(() => assign(x, [1, 2, 3])).toThrow(/must hold 3 elements/);
    expect(() => assign(x, zeros([2], { device: cpu, dtype: "i32" }))).toThrow("Use cast()");
    expect(() => assign(x, zeros([2], { device: plain }))).toThrow("on one device");
  });
});
