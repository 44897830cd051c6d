// The cpu device with `background`: kernels run behind the caller's back, and nothing else differs.

import { afterAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { embedding } from "../../src/autograd/ops/embedding.ts";
import { matmul } from "../../src/autograd/ops/matmul.ts";
import { add, mul, mulScalar } from "../../src/autograd/ops/pointwise.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { bindWasm, compileWasm, fastestVariant } from "../../src/kernels/wasm/load.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { CpuDevice } from "../../src/tensor/cpuDevice.ts";
import { setDebug } from "../../src/tensor/debug.ts";
import type { Device } from "../../src/tensor/device.ts";
import { DeviceError } from "../../src/tensor/errors.ts";
import { createMemory } from "../../src/tensor/memoryPool.ts";
import { Scope, scope } from "../../src/tensor/scope.ts";
import { full, tensor, zeros } from "../../src/tensor/tensor.ts";
import { tinyBatch, tinyT5 } from "../support/tinyT5.ts";

const opened: Device[] = [];
afterAll(async () => {
  for (const device of opened) await device.close();
});

async function open(threads = 2): Promise<Device> {
  const device = await openDevice("cpu", { threads, background: true });
  opened.push(device);
  return device;
}

/** Losses and weights of a few updates, some of them read and some not, and what the model then writes. */
async function trained(device: Device, checkpointing: boolean): Promise<unknown> {
  const model = tinyT5({ device });
  if (checkpointing) model.gradientCheckpointingEnable();
  model.train();
  const optimizer = new AdamW(model.parameters(), { weightDecay: 0.1 });
  const losses: number[] = [];
  for (let step = 0; step < 6; step++) {
    const gradients = optimizer.zeroGrad();
    const memory = new Scope();
    const loss = memory.run(() => model.forward(tinyBatch(3, 7, step)).loss!);
    gradients.backward(loss);
    gradients.clip(1).norm.dispose();
    optimizer.step(gradients, 1e-2);
    gradients.dispose();
    if (step % 2 === 0) losses.push(await loss.item());
    memory.dispose();
  }
  const { inputIds } = tinyBatch(2, 9);
  const greedy = await model.generate({ inputIds }, { maxNewTokens: 9 });
  const beams = await model.generate(
    { inputIds },
    { maxNewTokens: 9, numBeams: 3, noRepeatNgramSize: 2 },
  );
  const weights = await Promise.all([...model.parameters().values()].map((x) => x.data()));
  model.dispose();
  optimizer.dispose();
  expect(device.memory().tensors).toBe(0);
  return { losses, greedy, beams, weights };
}

describe.each([1, 2, 5])("on %d workers", (threads) => {
  it.each([false, true])(
    "trains and writes the same bits (checkpointing %s)",
    async (checkpointing) => {
      const plain = await openDevice("cpu", { threads: 2 });
      opened.push(plain);
      expect(await trained(await open(threads), checkpointing)).toEqual(
        await trained(plain, checkpointing),
      );
    },
  );
});

describe("order", () => {
  it("holds between kernels, what the host writes and what it reads", async () => {
    const device = await open();
    const big = tensor(new Float32Array(1 << 18).fill(1), [512, 512], { device });
    // Memory that is freed while the product before still reads it is written to again, by small and by large writes.
    const reads: Promise<number>[] = [];
    const expected: number[] = [];
    for (let i = 0; i < 60; i++) {
      scope(() => {
        const size = [64, 50_000, 200_000][i % 3]!;
        const x = tensor(new Float32Array(size).fill(i), [size], { device });
        matmul(big, big);
        reads.push(sum(mulScalar(x, 2)).item());
      });
      expected.push(2 * i * [64, 50_000, 200_000][i % 3]!);
    }
    const values = await Promise.all(reads);
    values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, -2));
  });

  it("holds for more jobs than the ring has places", async () => {
    const device = await open();
    const x = zeros([4], { device });
    const one = full([4], 1, { device });
    for (let i = 0; i < 30_000; i++) addInPlace(x, one);
    const first = x.data(); // what it is now, whatever comes after
    addInPlace(x, one);
    expect([...(await first)]).toEqual([30_000, 30_000, 30_000, 30_000]);
    expect([...(await x.data())]).toEqual([30_001, 30_001, 30_001, 30_001]);
  });

  it("holds where storages move between memories, and for kernels without WebAssembly", async () => {
    const module = await compileWasm(await fastestVariant());
    const memory = createMemory();
    const limits = { eachBytes: 12 * 2 ** 20, totalBytes: 64 * 2 ** 20 };
    const device = new CpuDevice(memory, await bindWasm(module, memory), limits);
    await device.startBackground(2, module);
    opened.push(device);
    const xs = Array.from({ length: 8 }, (_, i) => full([2 ** 19], i, { device })); // 2 MiB each
    for (let round = 0; round < 3; round++)
      for (const x of xs) scope(() => addInPlace(x, mul(x, x)));
    expect(device.movedBytes).toBeGreaterThan(0);
    const grown = (x: number): number =>
      [1, 2, 3].reduce((y) => Math.fround(y + Math.fround(y * y)), x);
    for (const [i, x] of xs.entries()) expect(new Set(await x.data())).toEqual(new Set([grown(i)]));
    const doubles = tensor(Float64Array.of(1, 2, 3), [3], { device, requiresGrad: true });
    const gradients = backward(sum(mul(add(doubles, doubles), doubles)));
    expect([...(await gradients.get(doubles)!.data())]).toEqual([4, 8, 12]);
  });
});

it("waits for what was recorded before, not for what follows", async () => {
  const device = await open();
  const x = full([768, 768], 1, { device });
  matmul(x, x);
  const waiting = device.sync();
  const later = Array.from({ length: 40 }, () => matmul(x, x));
  await waiting;
  expect(device.peek(later.at(-1)!.storage, "f32", 1)).toBeNull();
  await device.sync();
  expect(device.peek(later.at(-1)!.storage, "f32", 1)).toEqual(Float32Array.of(768));
});

it("does not hold the event loop while a product runs", async () => {
  const device = await open();
  const x = full([1024, 1024], 1, { device });
  const y = scope(() => matmul(matmul(matmul(x, x), x), x));
  let turns = 0;
  const read = y.data().then((data) => ({ first: data[0], turns }));
  const timer = setInterval(() => turns++, 1);
  const { first, turns: during } = await read;
  clearInterval(timer);
  expect(first).toBe(2 ** 30);
  expect(during).toBeGreaterThan(3);
});

describe("what goes wrong", () => {
  it("is thrown where one waits, and ever after", async () => {
    const device = await open();
    const table = zeros([10, 4], { device });
    for (const id of [10, -1]) {
      const spoiled = await open();
      const ids = tensor(Int32Array.of(3, id), [2], { device: spoiled });
      const y = embedding(zeros([10, 4], { device: spoiled }), ids);
      await expect(y.data()).rejects.toThrow(DeviceError);
      await expect(y.data()).rejects.toThrow("an id outside its table");
      await expect(spoiled.sync()).rejects.toThrow("an id outside its table");
      await expect(spoiled.fence()()).rejects.toThrow("an id outside its table");
    }
    expect([...(await table.data())]).toEqual(new Array(40).fill(0));
  });

  it("ends what waits when the device is closed", async () => {
    const device = await open();
    const x = full([1024, 1024], 1, { device });
    const reads = Array.from({ length: 8 }, () => matmul(x, x).data());
    const closing = device.close();
    const results = await Promise.allSettled(reads);
    await closing;
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toBeInstanceOf(DeviceError);
    }
    expect(results.at(-1)!.status).toBe("rejected");
    expect(() => matmul(x, x)).toThrow("the device was closed");
  });

  it("is refused by name", async () => {
    const refused = (options: object): Promise<unknown> => openDevice("cpu", options);
    await expect(refused({ background: 1 })).rejects.toThrow(
      "background must be true or false, got 1",
    );
    await expect(refused({ background: true, kernels: "plain" })).rejects.toThrow(
      "plain kernels must run on the calling thread",
    );
    await expect(openDevice("webgpu", { background: true })).rejects.toThrow("options of webgpu");
  });
});

it("shows each kernel's own time to the debug ladder", async () => {
  const device = await open();
  const lines: string[] = [];
  const x = full([512, 512], 1, { device });
  setDebug(1, { write: (line) => lines.push(line) });
  try {
    scope(() => void matmul(x, x));
  } finally {
    setDebug(0);
  }
  expect(lines[0]).toMatch(/^cpu matmul: .* GFLOP\/s$/);
});
