// Finds WebGPU and an adapter: Dawn through the npm package `webgpu` in Node, navigator.gpu elsewhere.

import { DeviceError } from "../errors.ts";
import type { AdapterFacts } from "../wgsl.ts";

/** Features asked for where the adapter offers them. */
const FEATURES = [
  "timestamp-query",
  "shader-f16",
  "subgroups",
  "chromium-experimental-subgroup-matrix",
] as const;

/** Limits raised to the adapter's own: the defaults (16 KB of workgroup memory, bindings of 128 MB) are too small. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "minUniformBufferOffsetAlignment",
  "minStorageBufferOffsetAlignment",
] as const;

/** What Dawn would refuse or round otherwise: experimental features, f16 on NVIDIA, exact timestamps. */
const DAWN_OPTIONS = [
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

/** Held for good: when Dawn's object is collected, the process aborts. */
let dawn: GPU | null = null;

/** @throws {DeviceError} where there is no WebGPU */
export async function findGpu(): Promise<GPU> {
  if (typeof process !== "object" || process.versions?.node === undefined) {
    if (globalThis.navigator?.gpu) return navigator.gpu;
    throw new DeviceError(
      'openDevice: webgpu must be in this browser, got no navigator.gpu. Use a recent browser over https, or "cpu".',
    );
  }
  if (dawn === null) {
    const { create } = await importDawn();
    dawn = create(DAWN_OPTIONS);
  }
  return dawn;
}

async function importDawn(): Promise<{ create(options: string[]): GPU }> {
  try {
    return await import("webgpu");
  } catch (cause) {
    throw new DeviceError(
      'openDevice: webgpu needs the npm package "webgpu" in Node, got none that loads here. ' +
        'Run `npm install webgpu`, or use "cpu".',
      { cause },
    );
  }
}

export interface AdapterOptions {
  readonly powerPreference?: GPUPowerPreference;
}

/** @throws {DeviceError} without an adapter */
export async function requestAdapter(options: AdapterOptions): Promise<GPUAdapter> {
  const gpu = await findGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance", ...options });
  if (adapter === null) {
    throw new DeviceError(
      'openDevice: webgpu needs a graphics adapter, got none. Install a Vulkan driver, or use "cpu".',
    );
  }
  return adapter;
}

/** A device with the adapter's own limits and every feature that kernels can use. */
export async function requestGpuDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const names: readonly string[] = FEATURES;
  const requiredLimits: Record<string, number> = {};
  for (const limit of LIMITS) requiredLimits[limit] = adapter.limits[limit];
  return adapter.requestDevice({
    label: "gradloom",
    requiredFeatures: [...adapter.features].filter((feature) =>
      names.includes(feature),
    ) as GPUFeatureName[],
    requiredLimits,
  });
}

export function adapterFacts(adapter: GPUAdapter, device: GPUDevice): AdapterFacts {
  const { info, limits } = { info: adapter.info, limits: device.limits };
  const features: ReadonlySet<string> = new Set(device.features);
  const subgroups = features.has("subgroups");
  return {
    name: [info.vendor, info.architecture, info.device].filter(Boolean).join(" ") || "unknown",
    vendor: info.vendor,
    architecture: info.architecture,
    software: isSoftware(adapter),
    features,
    subgroupSize: subgroups
      ? { min: info.subgroupMinSize ?? 4, max: info.subgroupMaxSize ?? 128 }
      : null,
    subgroupMatrices: subgroupMatrices(info),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    workgroupInvocations: limits.maxComputeInvocationsPerWorkgroup,
    bindingBytes: limits.maxStorageBufferBindingSize,
    offsetAlignment: limits.minStorageBufferOffsetAlignment,
  };
}

/** Whether a CPU plays this adapter. */
export function isSoftware({ info }: GPUAdapter): boolean {
  return (
    info.isFallbackAdapter ||
    /swiftshader|llvmpipe|lavapipe|warp|software/i.test(
      `${info.architecture} ${info.device} ${info.description}`,
    )
  );
}

/** Dawn's extension of GPUAdapterInfo, of chromium-experimental-subgroup-matrix. */
interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function subgroupMatrices(info: GPUAdapterInfo): AdapterFacts["subgroupMatrices"] {
  const { subgroupMatrixConfigs } = info as {
    subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig>;
  };
  return [...(subgroupMatrixConfigs ?? [])].map(({ componentType, resultType, M, N, K }) => ({
    componentType,
    resultType,
    m: M,
    n: N,
    k: K,
  }));
}
