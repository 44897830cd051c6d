import { adapterFacts, requestAdapter, requestGpuDevice, type AdapterOptions } from "./adapter.ts";
import { WebGpuDevice } from "./webgpuDevice.ts";

/** Opens the webgpu device on the adapter that the options choose. @throws {DeviceError} without an adapter */
export async function openWebGpu(options: AdapterOptions = {}): Promise<WebGpuDevice> {
  const adapter = await requestAdapter(options);
  const device = await requestGpuDevice(adapter);
  return new WebGpuDevice(device, adapterFacts(adapter, device));
}
