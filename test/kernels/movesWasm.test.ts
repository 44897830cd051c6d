// The WebAssembly bodies that move rows and permute axes beside the plain ones, in sizes that threads share and that end
// within a vector.

import { describe, expect, it } from "vitest";
import { embeddingForward } from "../../src/kernels/moves/embedding.ts";
import { gatherRowsForward } from "../../src/kernels/moves/gatherRows.ts";
import { permuteForward } from "../../src/kernels/moves/permute.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";

const dtypes: readonly Dtype[] = ["f32", "bf16", "f16", "i32"];
const halves = dtypes.filter((dtype) => dtype !== "i32");

/** Numbers that every dtype holds, none twice in a row. */
function numbers(device: Device, shape: readonly number[], dtype: Dtype): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const values = Array.from({ length: size }, (_, i) => ((i * 37) % 251) - 125);
  return tensor(values, shape, { device, dtype });
}

async function expectEqual(compute: (device: Device) => Tensor): Promise<void> {
  const [ours, expected] = await Promise.all(
    [cpu, plain].map((device) => scope(() => [compute(device).data()])[0]!),
  );
  expect(ours).toEqual(expected);
}

describe("rows by id", () => {
  const ids = (device: Device, count: number): Tensor =>
    tensor(
      Array.from({ length: count }, (_, i) => (i * 71) % 500),
      [count],
      { device, dtype: "i32" },
    );

  it.each(halves)("are widened from %s", async (dtype) => {
    for (const [count, cols] of [
      [100, 37],
      [17, 36],
      [1, 3],
    ] as const) {
      await expectEqual((device) =>
        embeddingForward(numbers(device, [500, cols], dtype), ids(device, count)),
      );
    }
  });

  it.each(dtypes)("are copied in %s", async (dtype) => {
    await expectEqual((device) =>
      gatherRowsForward(numbers(device, [500, 37], dtype), ids(device, 100)),
    );
  });
});

describe.each(dtypes)("permuted axes in %s", (dtype) => {
  it.each([
    [0, 2, 1, 3],
    [3, 1, 0, 2],
    [1, 0, 3, 2],
  ])("as %i, %i, %i, %i", async (...axes) => {
    await expectEqual((device) => permuteForward(numbers(device, [20, 30, 7, 11], dtype), axes));
  });
});
