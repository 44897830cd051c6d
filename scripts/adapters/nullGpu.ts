// A webgpu device whose adapter is Dawn's own that does nothing: it checks what it is given, runs no shader, and takes no
// time. For tests of what the host does: memory, pipelines, dispatches.

import { adapterFacts, requestGpuDevice } from "../../src/tensor/webgpu/adapter.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";

/** Dawn's objects must never be collected. */
let dawn: GPU | undefined;

export async function openNullGpu(): Promise<WebGpuDevice> {
  const { create } = await import("webgpu");
  dawn ??= create(["backend=null"]);
  const adapter = (await dawn.requestAdapter())!;
  const device = await requestGpuDevice(adapter);
  return new WebGpuDevice(device, adapterFacts(adapter, device));
}
