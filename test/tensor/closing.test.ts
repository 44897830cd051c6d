// What a closed device leaves behind: its memory for the next one, and nothing else.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mul } from "../../src/autograd/ops/pointwise.ts";
import type { DeviceOptions } from "../../src/kernels/deviceOptions.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { addInPlace } from "../../src/kernels/pointwise/accumulate.ts";
import { createMemory, leaveMemory, takeMemory } from "../../src/tensor/memoryPool.ts";
import { CpuDevice } from "../../src/tensor/cpuDevice.ts";
import { tensor, zeros } from "../../src/tensor/tensor.ts";
import { adapterFacts, requestAdapter, requestGpuDevice } from "../../src/tensor/webgpu/adapter.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { nextTurn } from "../../src/tensor/nextTurn.ts";

const MIB = 2 ** 20;
const modes: DeviceOptions[] = [{ threads: 1 }, { threads: 3 }, { kernels: "plain" }];

describe.each(modes)("a cpu device with %o", (options) => {
  it("leaves its memory to the next one", async () => {
    const sizes: number[] = [];
    for (let round = 0; round < 3; round++) {
      const device = await openDevice("cpu", options);
      zeros([32 * MIB], { device }); // 128 MiB, not disposed
      await device.close();
      const memory = takeMemory();
      sizes.push(memory.buffer.byteLength);
      leaveMemory(memory);
    }
    // One memory all the time: what grows is taken up again, the largest first.
    expect(sizes[0]).toBeGreaterThan(128 * MIB);
    expect(sizes[2]).toBe(sizes[0]);
  });

  it("computes rightly in what another one left, and cannot reach it when closed", async () => {
    const first = await openDevice("cpu", options);
    const old = tensor(new Float32Array(MIB).fill(5), [MIB], { device: first });
    await first.close();
    const second = await openDevice("cpu", options);
    const x = tensor(new Float32Array(MIB).fill(2), [MIB], { device: second });
    expect(() => addInPlace(old, old)).toThrow("the device was closed");
    expect(() => mul(old, old)).toThrow("the device was closed");
    await expect(old.data()).rejects.toThrow("the device was closed");
    old.dispose();
    const y = mul(x, x);
    expect(new Set(await y.data())).toEqual(new Set([4]));
    expect(new Set(await zeros([MIB], { device: second }).data())).toEqual(new Set([0]));
    await second.close();
  });
});

it("keeps to the limit of a device that gets a larger memory", async () => {
  const memory = createMemory();
  memory.grow((32 * MIB) / 65536); // as another device left it
  const limits = { eachBytes: 8 * MIB, totalBytes: 64 * MIB };
  const device = new CpuDevice(memory, null, limits);
  expect(() => zeros([3 * MIB], { device })).toThrow("must fit in 8.0 MiB");
  await device.close();
});

it.runIf(process.platform === "linux")("ends its threads before close() resolves", async () => {
  const threads = (): number =>
    Number(/Threads:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  await (await openDevice("cpu", { threads: 4 })).close();
  const before = threads();
  for (let round = 0; round < 5; round++) {
    const device = await openDevice("cpu", { threads: 4 });
    expect(threads()).toBeGreaterThanOrEqual(before + 3);
    await device.close();
  }
  expect(threads()).toBeLessThanOrEqual(before);
});

it("is held by no listener of its GPU device", async () => {
  const adapter = await requestAdapter({});
  const gpu = await requestGpuDevice(adapter);
  const listeners = new Set<unknown>();
  const [add, remove] = [gpu.addEventListener.bind(gpu), gpu.removeEventListener.bind(gpu)];
  gpu.addEventListener = (name: string, listener: never) => {
    listeners.add(listener);
    add(name, listener);
  };
  gpu.removeEventListener = (name: string, listener: never) => {
    listeners.delete(listener);
    remove(name, listener);
  };
  const device = new WebGpuDevice(gpu, adapterFacts(adapter, gpu));
  expect(listeners.size).toBe(1);
  await device.close();
  await nextTurn();
  expect(listeners.size).toBe(0);
});
