// A freed tensor has lost its elements and its graph: whoever is given one says so, and never takes it for something else.

import { afterAll, describe, expect, it } from "vitest";
import * as autograd from "../../src/autograd/index.ts";
import { argmaxForward, topkForward } from "../../src/kernels/rows/argmax.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { clipGradNorm } from "../../src/optim/clipGradNorm.ts";
import type { Device } from "../../src/tensor/device.ts";
import { DeviceError, DisposedError } from "../../src/tensor/errors.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { cpu, plain } from "../support/device.ts";
import { gpu } from "../support/gpu.ts";

const { backward, mul, sum, toGraphviz } = autograd;
const stream = { seed: 1, offset: 0 };

/** Calls of every op, and of what else takes tensors, on `count` tensors [1, 2, 2]. */
const calls: Record<string, [count: number, (...x: Tensor[]) => unknown]> = {
  attention: [3, (q, k, v) => autograd.attention(q!, k!, v!, { heads: 1 })],
  cast: [1, (x) => autograd.cast(x!, "bf16")],
  crossEntropy: [1, (x) => autograd.crossEntropy(autograd.reshape(x!, [2, 2]), ids(x!, [0, 1]))],
  dropout: [1, (x) => autograd.dropout(x!, 0.5, stream)],
  dropoutAdd: [2, (x, y) => autograd.dropoutAdd(x!, y!, 0.5, stream)],
  embedding: [1, (x) => autograd.embedding(autograd.reshape(x!, [2, 2]), ids(x!, [0, 1]))],
  gatedGelu: [2, (x, y) => autograd.gatedGelu(x!, y!)],
  gatherRows: [1, (x) => autograd.gatherRows(x!, ids(x!, [0]))],
  layerNorm: [
    1,
    (x) => {
      const [weight, bias] = [1, 2].map((value) => tensor([value, 1], [2], { device: x!.device }));
      return autograd.layerNorm(x!, weight!, bias!);
    },
  ],
  mseLoss: [2, (x, y) => autograd.mseLoss(x!, y!)],
  "assign: target": [1, (x) => autograd.assign(x!, [1, 2, 3, 4])],
  assign: [1, (x) => autograd.assign(leaf(x!.device), x!)],
  matmul: [2, (x, y) => autograd.matmul(x!, y!)],
  mean: [1, (x) => autograd.mean(x!)],
  sum: [1, (x) => autograd.sum(x!)],
  rmsNorm: [1, (x) => autograd.rmsNorm(x!, tensor([1, 1], [2], { device: x!.device }), 1e-6)],
  roundTo: [1, (x) => autograd.roundTo(x!, "bf16")],
  relativePositionBias: [
    1,
    (x) =>
      autograd.relativePositionBias(autograd.reshape(x!, [4, 1]), {
        ...{ queryLength: 2, keyLength: 2, bidirectional: true, maxDistance: 4 },
      }),
  ],
  logSoftmax: [1, (x) => autograd.logSoftmax(x!)],
  softmax: [1, (x) => autograd.softmax(x!)],
  reshape: [1, (x) => autograd.reshape(x!, [4])],
  permute: [1, (x) => autograd.permute(x!, [0, 2, 1])],
  transpose: [1, (x) => autograd.transpose(x!, 1, 2)],
  concat: [2, (x, y) => autograd.concat([x!, y!], 0)],
  slice: [1, (x) => autograd.slice(x!, 1, 0, 1)],
  broadcastTo: [1, (x) => autograd.broadcastTo(x!, [3, 2, 2])],
  checkpoint: [1, (x) => autograd.checkpoint((y) => mul(y, y), [x!])],
  argmax: [1, (x) => argmaxForward(x!)],
  topk: [1, (x) => topkForward(x!, 1)],
  clipGradNorm: [1, (x) => clipGradNorm([x!], 1)],
  "backward: output": [1, (x) => backward(x!, undefined, leaf(x!.device))],
  "backward: target": [1, (x) => backward(sum(mul(leaf(x!.device), leaf(x!.device))), [x!])],
  "backward: seed": [1, (x) => backward(mul(leaf(x!.device), leaf(x!.device)), undefined, x)],
  toGraphviz: [1, (x) => toGraphviz(x!)],
  "AdamW.step": [
    1,
    (x) => {
      const p = leaf(x!.device);
      new AdamW([p]).step(new Map([[p, x!]]));
    },
  ],
};
for (const name of ["add", "sub", "mul", "div"] as const)
  calls[name] = [2, (x, y) => autograd[name](x!, y!)];
for (const name of [
  "neg",
  "exp",
  "log",
  "sqrt",
  "tanh",
  "relu",
  "gelu",
  "geluErf",
  "sigmoid",
  "silu",
] as const)
  calls[name] = [1, (x) => autograd[name](x!)];
for (const name of ["addScalar", "mulScalar"] as const)
  calls[name] = [1, (x) => autograd[name](x!, 2)];

/** What the module exports besides ops that take tensors. */
const OTHERS = [
  ...["backward", "toGraphviz", "dot", "detectAnomaly", "gradcheck"],
  ...["enableGrad", "isGradEnabled", "noGrad"],
];

const leaf = (device: Device): Tensor =>
  tensor([1, 2, 3, 4], [1, 2, 2], { device, requiresGrad: true });
const ids = (x: Tensor, values: number[]): Tensor =>
  tensor(Int32Array.from(values), [values.length], { device: x.device });

it("knows every op", () => {
  const missing = Object.keys(autograd).filter(
    (name) => !(name in calls) && !OTHERS.includes(name),
  );
  expect(missing).toEqual([]);
});

describe.each([
  ["cpu", cpu],
  ["plain", plain],
  ["webgpu", gpu],
] as const)("on %s", (_kind, device) => {
  it.each(Object.keys(calls))("%s refuses each freed input by DisposedError", (name) => {
    const [count, call] = calls[name]!;
    for (let freed = 0; freed < count; freed++) {
      const inputs = Array.from({ length: count }, () => mul(leaf(device), leaf(device)));
      inputs[freed]!.dispose();
      expect(() => call(...inputs)).toThrow(DisposedError);
    }
  });
});

describe("after close()", () => {
  const opened: Device[] = [];
  afterAll(async () => {
    for (const device of opened) await device.close();
  });

  it.each(["wasm", "plain"] as const)(
    "%s kernels refuse each call by DeviceError",
    async (kernels) => {
      const device = await openDevice("cpu", { kernels });
      opened.push(device);
      const made: Record<string, Tensor[]> = {};
      for (const [name, [count]] of Object.entries(calls))
        made[name] = Array.from({ length: count }, () => leaf(device));
      const x = leaf(device);
      await device.close();
      for (const [name, [, call]] of Object.entries(calls)) {
        // These read no element: a shape, a tape or a handle is theirs.
        if (["reshape", "permute", "toGraphviz"].includes(name)) continue;
        expect(() => call(...made[name]!), name).toThrow("the device was closed");
      }
      await expect(x.data()).rejects.toThrow(DeviceError);
      await expect(device.sync()).rejects.toThrow(DeviceError);
      expect(() => device.fence()).toThrow(DeviceError);
      x.dispose();
      await device.close();
    },
  );
});

it("an op outside of scopes leaves nothing but its result", () => {
  const inputs = [leaf(plain), tensor([1, 1], [2], { device: plain, requiresGrad: true })];
  const [x, row] = inputs as [Tensor, Tensor];
  const labels = tensor(Int32Array.from([0, 1]), [1, 2], { device: plain });
  const ops: Record<string, () => Tensor> = {
    layerNorm: () => autograd.layerNorm(x, row, row),
    rmsNorm: () => autograd.rmsNorm(x, row),
    crossEntropy: () => autograd.crossEntropy(x, labels),
    attention: () => autograd.attention(x, x, x, { heads: 1 }),
  };
  const before = plain.memory().tensors;
  for (const [name, op] of Object.entries(ops)) {
    op().dispose();
    expect(plain.memory().tensors - before, name).toBe(0);
  }
  for (const each of [...inputs, labels]) each.dispose();
});
