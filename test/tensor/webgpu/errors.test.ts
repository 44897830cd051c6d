// What goes wrong on the GPU becomes one typed error where one waits; and nothing on that device can be trusted after it.

import { afterEach, describe, expect, it } from "vitest";
import { addInPlace } from "../../../src/kernels/pointwise/accumulate.ts";
import { defineKernel, launch } from "../../../src/kernels/kernel.ts";
import {
  DeviceError,
  DeviceLostError,
  DtypeError,
  KernelError,
  MissingKernelError,
  OutOfMemoryError,
} from "../../../src/tensor/errors.ts";
import { empty, tensor, zeros } from "../../../src/tensor/tensor.ts";
import {
  adapterFacts,
  requestAdapter,
  requestGpuDevice,
} from "../../../src/tensor/webgpu/adapter.ts";
import { WebGpuDevice } from "../../../src/tensor/webgpu/webgpuDevice.ts";

/** Devices of a test, which spoils them. */
const opened: WebGpuDevice[] = [];
afterEach(async () => {
  for (const device of opened.splice(0)) await device.close();
});

async function open(): Promise<{ device: WebGpuDevice; gpu: GPUDevice }> {
  const adapter = await requestAdapter({});
  const gpu = await requestGpuDevice(adapter);
  const device = new WebGpuDevice(gpu, adapterFacts(adapter, gpu));
  opened.push(device);
  return { device, gpu };
}

async function errorOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => {
      throw new Error("nothing went wrong");
    },
    (error: unknown) => error as Error,
  );
}

const brokenKernel = defineKernel({
  name: "brokenKernel",
  inputs: { x: "float", mask: "float?" },
  outputs: { y: "float" },
  params: { size: "u32" },
  constants: { TILE: "u32" },
  wgsl: {
    invocations: ({ size }) => size,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.size) { y[i] = x[i] + unknownName; }
}`,
  },
  plain: () => undefined,
});

const cpuKernel = defineKernel({
  name: "kernelWithoutWgsl",
  inputs: {},
  outputs: { y: "float" },
  params: {},
  plain: () => undefined,
});

describe("a kernel whose WGSL does not compile", () => {
  it("is reported with its constants and the lines around the mistake", async () => {
    const { device } = await open();
    const x = zeros([4], { device });
    launch(brokenKernel, { x, mask: null, y: empty(device, [4], "f32") }, { size: 4 }, { TILE: 8 });
    const error = await errorOf(device.sync());
    expect(error).toBeInstanceOf(KernelError);
    expect(error.message).toMatchInlineSnapshot(`
      "brokenKernel: its WGSL must compile, got unresolved value 'unknownName' (line 18:40)
          15  @compute @workgroup_size(WG)
          16  fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
          17    let i = globalIndex(group, local);
      >   18    if (i < params.size) { y[i] = x[i] + unknownName; }
                                                     ^
          19  }
      with HAS_MASK = false, WG = 256u, TILE = 8u"
    `);
    await expect(x.data()).rejects.toBe(error);
    expect(() => addInPlace(x, x)).toThrow(error);
  });

  it("is reported by warmUp, too", async () => {
    const { device } = await open();
    const x = zeros([4], { device });
    const y = empty(device, [4], "f32");
    const warming = device.warmUp(() =>
      launch(brokenKernel, { x, mask: null, y }, { size: 4 }, { TILE: 8 }),
    );
    expect(await errorOf(warming)).toBeInstanceOf(KernelError);
  });
});

it("refuses a kernel without WGSL body by name, and stays usable", async () => {
  const { device } = await open();
  const y = zeros([1], { device });
  expect(() => launch(cpuKernel, { y }, {})).toThrow(MissingKernelError);
  expect(() => launch(cpuKernel, { y }, {})).toThrow(
    "kernelWithoutWgsl: must have a WGSL body to run on webgpu, got none. Use the cpu device.",
  );
  expect(await y.item()).toBe(0);
});

it("refuses f64", async () => {
  const { device } = await open();
  expect(() => tensor([1], [1], { device, dtype: "f64" })).toThrow(DtypeError);
});

describe("a lost GPU", () => {
  it("is reported where one waits", async () => {
    const { device, gpu } = await open();
    const x = zeros([4], { device });
    const reading = errorOf(x.data());
    gpu.destroy();
    expect(await reading).toBeInstanceOf(DeviceLostError);
    expect(await errorOf(device.sync())).toBeInstanceOf(DeviceLostError);
    expect(() => zeros([4], { device })).toThrow(DeviceLostError);
  });
});

describe("memory that the GPU has not", () => {
  it("is refused at once when no buffer can be so large", async () => {
    const { device, gpu } = await open();
    const bytes = gpu.limits.maxBufferSize + 4;
    expect(() => empty(device, [bytes / 4], "f32")).toThrow(OutOfMemoryError);
    expect(await zeros([1], { device }).item()).toBe(0);
  });

  it("is reported where one waits", async () => {
    const { device, gpu } = await open();
    const { GPUOutOfMemoryError } = (await import("webgpu")).globals as {
      GPUOutOfMemoryError: new (message: string) => GPUError;
    };
    // No driver can be made to run out on request: the answer to the question is replaced.
    gpu.popErrorScope = () => Promise.resolve(new GPUOutOfMemoryError("no memory"));
    const x = zeros([100_000], { device });
    const error = await errorOf(x.data());
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toContain("got a request for 400000 bytes");
  });

  it("can be done without from `recover` on, which gives no such buffer out again", async () => {
    const { device, gpu } = await open();
    const { GPUOutOfMemoryError } = (await import("webgpu")).globals as {
      GPUOutOfMemoryError: new (message: string) => GPUError;
    };
    const create = gpu.createBuffer.bind(gpu);
    const pop = gpu.popErrorScope.bind(gpu);
    // A driver that has no memory gives an invalid buffer and says so later.
    gpu.createBuffer = (descriptor) => {
      gpu.pushErrorScope("validation");
      const buffer = create({ ...descriptor, size: 4e15 });
      void pop();
      return buffer;
    };
    gpu.popErrorScope = () => pop().then(() => new GPUOutOfMemoryError("no memory"));
    const x = zeros([100_000], { device });
    gpu.createBuffer = create;
    gpu.popErrorScope = pop;
    addInPlace(x, zeros([100_000], { device }));
    expect(await errorOf(x.data())).toBeInstanceOf(Error);
    expect(await device.recover()).toBeInstanceOf(OutOfMemoryError);
    expect(await device.recover()).toBeNull();
    x.dispose();
    const y = tensor(new Float32Array(100_000).fill(3), [100_000], { device });
    addInPlace(y, y);
    expect((await y.data())[99_999]).toBe(6);
  });
});

it("reports an invalid submission as our own bug", async () => {
  const { device, gpu } = await open();
  const x = zeros([4], { device });
  const create = gpu.createBindGroup.bind(gpu);
  gpu.createBindGroup = (descriptor) => create({ ...descriptor, entries: [] });
  addInPlace(x, zeros([4], { device }));
  const error = await errorOf(device.sync());
  expect(error.message).toMatch(/^internal: webgpu: /);
});

it("is closed for good", async () => {
  const { device } = await open();
  const x = zeros([4], { device });
  await device.close();
  await expect(x.data()).rejects.toThrow(DeviceError);
  await expect(x.data()).rejects.toThrow("webgpu: the device was closed. Open another one.");
  x.dispose();
});
