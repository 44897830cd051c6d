// Opens the webgpu device.

import { adapterFacts, requestAdapter, requestGpuDevice, type AdapterOptions } from "./adapter.ts";
import { WebGpuDevice } from "./webgpuDevice.ts";

export interface WebGpuOptions extends AdapterOptions {
  /** Takes the adapter's largest binding for this many bytes, so that tests can split small tensors. */
  readonly bindingBytes?: number;
}

/** Opens the webgpu device on the adapter that the options choose. @throws {DeviceError} without an adapter */
export async function openWebGpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const { bindingBytes, ...adapterOptions } = options;
  const adapter = await requestAdapter(adapterOptions);
  const device = await requestGpuDevice(adapter);
  const facts = adapterFacts(adapter, device);
  return new WebGpuDevice(device, bindingBytes === undefined ? facts : { ...facts, bindingBytes });
}
