// Opens the webgpu device.

import { DeviceError } from "../errors.ts";
import {
  adapterFacts,
  isSoftware,
  listAdapters,
  mayHaveHardware,
  requestAdapter,
  requestGpuDevice,
  type AdapterOptions,
} from "./adapter.ts";
import { WebGpuDevice } from "./webgpuDevice.ts";

export interface WebGpuOptions extends AdapterOptions {
  /** Takes the adapter's largest binding for this many bytes, so that tests can split small tensors. */
  readonly bindingBytes?: number;
  /** Takes the adapter for a GPU, or for a program that plays one, so that tests can try the plans of both on either. */
  readonly software?: boolean;
}

/** Opens the webgpu device on the adapter that the options choose. @throws {DeviceError} without an adapter */
export async function openWebGpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  return openOn(await requestAdapter(options), options);
}

/** Opens the webgpu device if the adapter that the options choose is a GPU and no program that plays one; null otherwise. */
export async function openHardwareWebGpu(options: AdapterOptions): Promise<WebGpuDevice | null> {
  if (!(await mayHaveHardware())) return null;
  try {
    const adapter = await requestAdapter(options);
    return isSoftware(adapter) ? null : await openOn(adapter, {});
  } catch (error) {
    if (error instanceof DeviceError) return null;
    throw error;
  }
}

/** Opens a device on every adapter of this machine; none where there is no WebGPU. */
export async function openAllWebGpu(): Promise<WebGpuDevice[]> {
  const adapters = await listAdapters();
  return Promise.all(adapters.map((adapter) => openOn(adapter, {})));
}

async function openOn(adapter: GPUAdapter, options: WebGpuOptions): Promise<WebGpuDevice> {
  const device = await requestGpuDevice(adapter);
  const facts = adapterFacts(adapter, device);
  const { bindingBytes = facts.bindingBytes, software = facts.software } = options;
  return new WebGpuDevice(device, { ...facts, bindingBytes, software });
}
