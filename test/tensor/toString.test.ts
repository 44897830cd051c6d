// A tensor in text: in a template, in console.log, inside an object that is printed.

import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full, mulScalar, openDevice, tensor, type Device } from "../../src/index.ts";
import { gpu } from "../support/gpu.ts";

let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.close());

describe("Tensor.toString", () => {
  it("gives dtype, shape, device and the elements", () => {
    expect(`${full([2, 3], 1, { device })}`).toBe(
      "Tensor f32 [2, 3] on cpu\n[[1. 1. 1.]\n [1. 1. 1.]]",
    );
    expect(String(tensor([1, 2], [2], { device, dtype: "i32" }))).toBe(
      "Tensor i32 [2] on cpu\n[1 2]",
    );
    expect(String(tensor(0.5, [], { device }))).toBe("Tensor f32 [] on cpu\n0.5");
  });

  it("says whether gradients flow to it", () => {
    const x = tensor([1], [1], { device, requiresGrad: true });
    expect(String(x)).toBe("Tensor f32 [1] on cpu, requires grad\n[1.]");
    expect(String(mulScalar(x, 2))).toBe("Tensor f32 [1] on cpu, requires grad\n[2.]");
  });

  it("works after dispose, and after the device was closed", async () => {
    const x = tensor([1], [1], { device });
    x.dispose();
    expect(String(x)).toBe("Tensor f32 [1] on cpu, disposed");
    const other = await openDevice("cpu");
    const y = tensor([1], [1], { device: other });
    await other.close();
    expect(String(y)).toBe("Tensor f32 [1] on cpu");
  });

  it("shows no elements that would have to be waited for", async () => {
    const x = tensor([1], [1], { device: gpu });
    expect(String(x)).toBe("Tensor f32 [1] on webgpu");
    x.dispose();
    const background = await openDevice("cpu", { background: true });
    let large = mulScalar(full([1 << 20], 1, { device: background }), 2);
    for (let i = 0; i < 300; i++) large = mulScalar(large, 1); // more than workers do in no time
    expect(String(large)).toBe("Tensor f32 [1048576] on cpu");
    await background.sync();
    expect(String(large)).toBe("Tensor f32 [1048576] on cpu\n[2. 2. 2. ... 2. 2. 2.]");
    await background.close();
  });

  it("is what Node prints, also inside other objects", () => {
    const weight = full([2, 2], 0, { device, dtype: "bf16" });
    expect(inspect(weight)).toBe("Tensor bf16 [2, 2] on cpu\n[[0. 0.]\n [0. 0.]]");
    expect(inspect({ weight })).toBe(
      "{\n  weight: Tensor bf16 [2, 2] on cpu\n  [[0. 0.]\n   [0. 0.]]\n}",
    );
  });
});
