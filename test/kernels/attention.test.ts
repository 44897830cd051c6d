import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { attention } from "../../src/autograd/ops/attention.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import type { DataArray } from "../../src/tensor/dtype.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { values } from "../support/random.ts";

/** Output and gradients of an attention large enough to be shared among threads. */
async function attend(device: Device): Promise<DataArray[]> {
  const [B, T, S, H, D] = [2, 300, 33, 2, 16];
  const memory = new Scope();
  try {
    const results = memory.run(() => {
      const leaf = (seed: number, ...shape: number[]) => {
        const data = values(
          shape.reduce((a, b) => a * b),
          seed,
        );
        return tensor(data, shape, { device, dtype: "f32", requiresGrad: true });
      };
      const inputs = [
        leaf(1, B, T, H * D),
        leaf(2, B, S, H * D),
        leaf(3, B, S, H * D),
        leaf(4, H, T, S),
      ];
      const [q, k, v, bias] = inputs;
      const dropout = { p: 0.1, seed: 5, offset: 6 };
      const y = attention(q!, k!, v!, { heads: H, bias: bias!, dropout });
      const gradients = backward(y, inputs, leaf(7, B, T, H * D));
      return [y.data(), ...inputs.map((x) => gradients.get(x)!.data())];
    });
    return await Promise.all(results);
  } finally {
    memory.dispose();
  }
}

describe("attention on threads", () => {
  it("gives the same bits for any number of them", async () => {
    const one = await openDevice("cpu", { threads: 1 });
    const three = await openDevice("cpu", { threads: 3 });
    expect(await attend(three)).toEqual(await attend(one));
    await one.close();
    await three.close();
  });
});
