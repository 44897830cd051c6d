// A tensor in text: in a template, in console.log, inside an object that is printed.

import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { full, mulScalar, openDevice, tensor, type Device } from "../../src/index.ts";

let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.close());

describe("Tensor.toString", () => {
  it("gives dtype, shape and device", () => {
    expect(`${full([2, 3], 1, { device })}`).toBe("Tensor f32 [2, 3] on cpu");
    expect(String(tensor([1, 2], [2], { device, dtype: "i32" }))).toBe("Tensor i32 [2] on cpu");
    expect(String(tensor(1, [], { device }))).toBe("Tensor f32 [] on cpu");
  });

  it("says whether gradients flow to it", () => {
    const x = tensor([1], [1], { device, requiresGrad: true });
    expect(String(x)).toBe("Tensor f32 [1] on cpu, requires grad");
    expect(String(mulScalar(x, 2))).toBe("Tensor f32 [1] on cpu, requires grad");
  });

  it("works after dispose", () => {
    const x = tensor([1], [1], { device });
    x.dispose();
    expect(String(x)).toBe("Tensor f32 [1] on cpu, disposed");
  });

  it("is what Node prints, also inside other objects", () => {
    const weight = full([4, 2], 0, { device, dtype: "bf16" });
    expect(inspect(weight)).toBe("Tensor bf16 [4, 2] on cpu");
    expect(inspect({ weight })).toBe("{ weight: Tensor bf16 [4, 2] on cpu }");
  });
});
