import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { add, mul, mulScalar } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { rmsNorm, rmsNormComposed } from "../../src/autograd/ops/rmsNorm.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import type { Device } from "../../src/tensor/device.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { rmsNorm as reference } from "../reference/rmsNorm.ts";
import { checkForward, describeOp, distance, type OpCase } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";
import { dim, seed, values, wideDim } from "../support/random.ts";

function makeCase(rows: number, cols: number, seed: number, eps = 1e-6, scale = 1): OpCase {
  const x = values(rows * cols, seed, scale);
  const weight = values(cols, seed + 1);
  return {
    inputs: [
      { shape: [rows, cols], values: x },
      { shape: [cols], values: weight },
    ],
    apply: ([x, weight]) => rmsNorm(x!, weight!, eps),
    expected: { shape: [rows, cols], values: reference(x, weight, eps) },
  };
}

describeOp({
  name: "rmsNorm",
  // Of a row of one entry the gradient is eps x^-3 and its terms are x^-1: in f32 what is left is their rounding.
  arbitrary: fc.record({ rows: dim, cols: wideDim.filter((cols) => cols > 1), seed }),
  build: ({ rows, cols, seed }) => makeCase(rows, cols, seed),
  // eps is far below the mean square of ordinary inputs: only tiny rows show it.
  constants: { eps: [makeCase(2, 9, 3, 1e-6, 1e-3), makeCase(2, 9, 3, 1e-5, 1e-3)] },
  examples: {
    // With T5's eps the slope turns within 1e-3 of zero, too sharply for differences of 1e-5.
    "a row of zeros stays zero": makeCase(2, 8, 5, 1e-2, 0),
    "rows of one entry": makeCase(5, 1, 13, 1),
    "T5's width": makeCase(3, 512, 11),
  },
});

it("equals its composition from small ops", async () => {
  const fused = makeCase(3, 7, 21);
  await checkForward({ ...fused, apply: ([x, weight]) => rmsNormComposed(x!, weight!) });
});

async function expectClose(ours: Tensor, expected: Tensor): Promise<void> {
  expect(distance(await ours.data(), await expected.data())).toBeLessThan(1e-5);
}

describe.each([
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu", gpu],
] as const)("a weight of 16-bit floats, %s", (_title, device) => {
  it.each(["f16", "bf16"] as const)("%s is read as it is, its gradient is f32", async (dtype) => {
    for (const [rows, cols] of [
      [3, 7],
      [2, 12],
    ] as const) {
      const [data, upstream] = [values(rows * cols, 31), values(rows * cols, 32)];
      const options = { device, dtype: "f32", requiresGrad: true } as const;
      const x = tensor(data, [rows, cols], options);
      const half = tensor(values(cols, 33), [cols], { ...options, dtype });
      const wide = tensor(await half.data(), [cols], options);
      const dy = tensor(upstream, [rows, cols], { device, dtype: "f32" });
      const [y, expected] = [rmsNorm(x, half), rmsNorm(x, wide)];
      const [ours, theirs] = [backward(y, [x, half], dy), backward(expected, [x, wide], dy)];
      expect(ours.get(half)!.dtype).toBe("f32");
      await expectClose(y, expected);
      await expectClose(ours.get(x)!, theirs.get(x)!);
      await expectClose(ours.get(half)!, theirs.get(wide)!);
      const exact = reference(data, await half.data(), 1e-6);
      expect(distance(await y.data(), exact)).toBeLessThan(1e-5);
    }
  });
});

/** Names of the norm's backward kernels that `work` runs. */
function backwardKernels(device: Device, work: () => void): string[] {
  const spy = vi.spyOn(device, "dispatch");
  work();
  const names = spy.mock.calls.map(([kernel]) => kernel.name);
  spy.mockRestore();
  return names.filter((name) => name.startsWith("rmsNormBackward"));
}

describe.each([
  ["plain", plain],
  ["wasm", cpu],
  ["webgpu", gpu],
] as const)("the backward pass, %s", (_title, device) => {
  it.each([
    [true, true, "rmsNormBackwardBoth"],
    [true, false, "rmsNormBackward"],
    [false, true, "rmsNormBackwardWeight"],
  ])("where x needs a gradient: %s, and the weight: %s", (ofX, ofWeight, kernel) => {
    const memory = new Scope();
    memory.run(() => {
      const x = tensor(values(24, 1), [3, 8], { device, dtype: "f32", requiresGrad: ofX });
      const weight = tensor(values(8, 2), [8], { device, dtype: "f32", requiresGrad: ofWeight });
      const loss = sum(rmsNorm(x, weight));
      expect(backwardKernels(device, () => backward(loss))).toEqual([kernel]);
    });
    memory.dispose();
  });

  it("adds to a residual stream and to a part of an optimizer's gradients at once", async () => {
    const memory = new Scope();
    const weight = tensor(values(8, 2), [8], { device, dtype: "f32", requiresGrad: true });
    const x = tensor(values(24, 1), [3, 8], { device, dtype: "f32", requiresGrad: true });
    const optimizer = new AdamW([weight, x]);
    const gradients = optimizer.zeroGrad();
    const lossOf = (norm: typeof rmsNorm) => {
      const stream = mulScalar(x, 2);
      return sum(add(norm(stream, weight), mul(stream, stream)));
    };
    const exact = memory.run(() => backward(lossOf(rmsNormComposed)));
    const names = memory.run(() => {
      const loss = lossOf(rmsNorm);
      return backwardKernels(device, () => gradients.backward(loss));
    });
    expect(names).toEqual(["rmsNormBackwardBoth"]);
    for (const each of [x, weight]) await expectClose(gradients.get(each)!, exact.get(each)!);
    for (const each of [memory, gradients, optimizer, x, weight]) each.dispose();
  });

  it("adds to two parts of one buffer at once", async () => {
    // x comes first: its part is the buffer's beginning.
    const x = tensor(values(24, 1), [3, 8], { device, dtype: "f32", requiresGrad: true });
    const weight = tensor(values(8, 2), [8], { device, dtype: "f32", requiresGrad: true });
    const optimizer = new AdamW([x, weight]);
    const gradients = optimizer.zeroGrad();
    const memory = new Scope();
    const exact = memory.run(() => backward(sum(rmsNormComposed(x, weight))));
    const names = memory.run(() => {
      const loss = sum(rmsNorm(x, weight));
      return backwardKernels(device, () => gradients.backward(loss));
    });
    expect(names).toEqual(["rmsNormBackwardBoth"]);
    for (const each of [x, weight]) await expectClose(gradients.get(each)!, exact.get(each)!);
    for (const each of [memory, gradients, optimizer, x, weight]) each.dispose();
  });

  it("has the same bits in a checkpoint, where x is a leaf", async () => {
    const memory = new Scope();
    const [kept, again] = memory.run(() => {
      const f32 = { device, dtype: "f32", requiresGrad: true } as const;
      const x = tensor(values(37 * 132, 1), [37, 132], f32);
      const weight = tensor(values(132, 2), [132], f32);
      const block = (x: Tensor) => add(rmsNorm(x, weight), mul(x, x));
      const seed = tensor(values(37 * 132, 3), [37, 132], { device, dtype: "f32" });
      const gradientsOf = (of: (x: Tensor) => Tensor) =>
        backward(of(mulScalar(x, 2)), [x, weight], seed);
      return [gradientsOf(block), gradientsOf((x) => checkpoint(block, [x]))];
    });
    const expected = await Promise.all([...kept!.values()].map((each) => each.data()));
    expect(await Promise.all([...again!.values()].map((each) => each.data()))).toEqual(expected);
    memory.dispose();
  });

  it.each([
    ["a leaf", (x: Tensor) => x],
    ["a result", (x: Tensor) => mulScalar(x, 2)],
  ])("adds twice to one gradient where x is the weight, %s", async (_is, made) => {
    const memory = new Scope();
    const f32 = { device, dtype: "f32" } as const;
    const [found, exact] = memory.run(() => {
      const leaf = tensor(values(8, 2), [8], { ...f32, requiresGrad: true });
      const seed = tensor(values(8, 4), [8], f32);
      return [rmsNorm, rmsNormComposed].map((norm) => {
        const x = made(leaf);
        const into = new Map([[leaf, tensor(values(8, 3), [8], f32)]]);
        // The square's gradient comes first, and is added to.
        return backward(add(norm(x, x), mul(x, x)), undefined, seed, into).get(leaf)!;
      });
    });
    await expectClose(found!, exact!);
    memory.dispose();
  });
});

it("names both shapes when the weight does not fit", () => {
  const x = tensor(values(14, 1), [2, 7], { device: cpu });
  const weight = tensor(values(5, 1), [5], { device: cpu });
  expect(() => rmsNorm(x, weight)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: rmsNorm: weight must be [7], the last axis of x [2, 7], got [5]]`,
  );
});
