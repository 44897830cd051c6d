// Kernels that no op of autograd stands for (optimizer, sums that stay on the device) and element types
// that no gradient has: webgpu against the TypeScript bodies, bit for bit where elements only move.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adamwInPlace } from "../../src/kernels/optimizer/adamw.ts";
import { concatForward } from "../../src/kernels/moves/concat.ts";
import { embeddingForward } from "../../src/kernels/moves/embedding.ts";
import {
  copyInto,
  gatherRowsForward,
  gatherRowsBackward,
} from "../../src/kernels/moves/gatherRows.ts";
import { gradientNormForward } from "../../src/kernels/optimizer/gradientNorm.ts";
import { broadcastToForward, permuteForward } from "../../src/kernels/moves/permute.ts";
import { addToSumInPlace } from "../../src/kernels/optimizer/runningSum.ts";
import { shiftRightForward } from "../../src/kernels/moves/shiftRight.ts";
import { sliceForward } from "../../src/kernels/moves/slice.ts";
import type { Device } from "../../src/tensor/device.ts";
import type { Dtype, StorageArray } from "../../src/tensor/dtype.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { distance } from "../support/describeOp.ts";
import { plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, uniform, values } from "../support/random.ts";

/** What `make` returns, read back in stored form, on both devices. */
async function onBoth(
  make: (device: Device) => readonly Tensor[],
): Promise<{ ours: StorageArray[]; expected: StorageArray[] }> {
  const run = async (device: Device): Promise<StorageArray[]> => {
    const memory = new Scope();
    try {
      const tensors = memory.run(() => [...make(device)]);
      return await Promise.all(tensors.map((x) => device.readStored(x.storage, x.dtype, x.size)));
    } finally {
      memory.dispose();
    }
  };
  return { ours: await run(gpu), expected: await run(plain) };
}

async function expectSame(make: (device: Device) => readonly Tensor[]): Promise<void> {
  const { ours, expected } = await onBoth(make);
  ours.forEach((data, i) => expect(Array.from(data), `result ${i}`).toEqual([...expected[i]!]));
}

async function expectClose(
  make: (device: Device) => readonly Tensor[],
  tolerance: number,
): Promise<void> {
  const { ours, expected } = await onBoth(make);
  ours.forEach((data, i) => {
    const scale = Array.from(expected[i]!).reduce((most, x) => Math.max(most, Math.abs(x)), 1e-30);
    expect(distance(data, expected[i]!), `result ${i}`).toBeLessThanOrEqual(tolerance * scale);
  });
}

const moved: fc.Arbitrary<Dtype> = fc.constantFrom("f32", "f16", "bf16", "i32", "u32", "bool");

function numbers(shape: readonly number[], from: number, dtype: Dtype, device: Device): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const next = uniform(from);
  const isWhole = dtype === "i32" || dtype === "u32" || dtype === "bool";
  const data = Array.from({ length: size }, () =>
    dtype === "bool" ? Number(next() < 0.5) : isWhole ? Math.floor(next() * 9) : next() - 0.5,
  );
  return tensor(data, shape, { device, dtype });
}

const ids = (count: number, rows: number, from: number, device: Device): Tensor => {
  const next = uniform(from);
  const data = Int32Array.from({ length: count }, () => Math.floor(next() * rows));
  return tensor(data, [count], { device, dtype: "i32" });
};

const runs = { numRuns: 12, seed: 20261124 };

describe("moves on webgpu, of every dtype", () => {
  it.each<[string, (x: Tensor, device: Device) => readonly Tensor[]]>([
    ["permute", (x) => [permuteForward(x, [2, 0, 1])]],
    ["broadcastTo", (x) => [broadcastToForward(x, [2, ...x.shape])]],
    ["slice", (x) => [sliceForward(x, 1, Math.floor(x.shape[1]! / 2), x.shape[1]!)]],
    ["slice of the last axis", (x) => [sliceForward(x, 2, x.shape[2]! > 1 ? 1 : 0, x.shape[2]!)]],
    ["concat", (x) => [concatForward([x, x, x], 2)]],
    ["concat of the first axis", (x) => [concatForward([x, x], 0)]],
    ["gatherRows", (x, device) => [gatherRowsForward(x, ids(5, x.shape[0]!, 3, device))]],
  ])("%s", (_, move) =>
    fc.assert(
      fc.asyncProperty(fc.tuple(dim, dim, dim), moved, seed, (shape, dtype, from) =>
        expectSame((device) => move(numbers(shape, from, dtype, device), device)),
      ),
      runs,
    ),
  );

  it("copyInto leaves the rest of the target as it is", () =>
    fc.assert(
      fc.asyncProperty(fc.tuple(dim, dim, dim), moved, seed, (shape, dtype, from) =>
        expectSame((device) => {
          const [batch, length, cols] = shape;
          const target = numbers([batch, length + 3, cols], from, dtype, device);
          copyInto(target, numbers(shape, from + 1, dtype, device), { axis: 1, offset: 1 });
          return [target];
        }),
      ),
      runs,
    ));

  it("an id outside the table gives NaN", async () => {
    const { ours } = await onBoth((device) => {
      const wrong = tensor([0, 5, -1], [3], { device, dtype: "i32" });
      // The TypeScript body throws; only webgpu is asked.
      return device === gpu ? [gatherRowsForward(numbers([2, 3], 1, "f32", device), wrong)] : [];
    });
    expect([...ours[0]!].map(Number.isNaN)).toEqual([
      ...[false, false, false],
      ...[true, true, true],
      ...[true, true, true],
    ]);
  });
});

describe("lookups on webgpu", () => {
  it.each(["f32", "f16", "bf16"] as const)("embedding of a table in %s", (dtype) =>
    fc.assert(
      fc.asyncProperty(dim, dim, seed, (rows, cols, from) =>
        expectSame((device) => [
          embeddingForward(numbers([rows, cols], from, dtype, device), ids(7, rows, from, device)),
        ]),
      ),
      runs,
    ),
  );

  it("adds up the gradients of one id at hundreds of positions in order", () =>
    expectSame((device) => {
      const dy = tensor(Float32Array.from(values(300 * 5, 9)), [300, 5], { device });
      return [gatherRowsBackward(ids(300, 3, 4, device), dy, 4)];
    }));
});

describe("the optimizer on webgpu", () => {
  // Of 16-bit words: neighbouring numbers differ by 1.
  it.each([
    ["f32", 2e-6],
    ["bf16", 0],
    ["f16", 0],
  ] as const)("updates %s parameters", (dtype, tolerance) =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 3, 5, 31, 257),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        seed,
        async (size, step, isScaled, from) => {
          const make = (device: Device): Tensor[] => {
            const p = numbers([size], from, dtype, device);
            const m = numbers([size], from + 1, dtype, device);
            const v = tensor(
              values(size, from + 2).map((x) => x * x),
              [size],
              { device, dtype },
            );
            const gradient = numbers([size], from + 3, "f32", device);
            const scale = isScaled ? tensor([0.3], [1], { device }) : null;
            adamwInPlace(
              { p, m, v, gradient, scale },
              {
                ...{ learningRate: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
                ...{ weightDecay: 0.1, step },
              },
            );
            return [p, m, v];
          };
          if (tolerance > 0) return expectClose(make, tolerance);
          const { ours, expected } = await onBoth(make);
          ours.forEach((data, i) =>
            expect(distance(data, expected[i]!), `result ${i}`).toBeLessThanOrEqual(1),
          );
        },
      ),
      runs,
    ),
  );

  it.each([1, 4096, 4097, 9000])("takes the norm of %d elements and others", (size) =>
    expectClose((device) => {
      const gradients = [size, 3].map((n) => numbers([n], n, "f32", device));
      const { norm, scale } = gradientNormForward(gradients, 0.5);
      return [norm, scale];
    }, 1e-5),
  );
});

describe("small kernels on webgpu", () => {
  it.each([2, Infinity, -Infinity, NaN])("adds %d to a running sum, or its substitute", (loss) =>
    expectSame((device) => {
      const totals = [0, 4].map((substitute) => {
        const total = tensor([8], [1], { device });
        addToSumInPlace(total, tensor([loss], [1], { device }), 0.5, substitute);
        return total;
      });
      return totals;
    }),
  );

  it("shifts labels", () =>
    expectSame((device) => [
      shiftRightForward(tensor([5, 6, -100, 7, -100, 8], [2, 3], { device, dtype: "i32" }), {
        ...{ start: 1, ignored: -100, pad: 0 },
      }),
    ]));
});
