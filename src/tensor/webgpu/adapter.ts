// Finds WebGPU and an adapter: Dawn through the npm package `webgpu` in Node, navigator.gpu elsewhere.

import { DeviceError } from "../errors.ts";
import { nodeModule } from "../nodeModule.ts";
import { isNode } from "../runtime.ts";
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

/**
 * What Dawn would refuse or round otherwise: experimental features, f16 on NVIDIA, exact timestamps. And workgroup memory
 * is zeroed by a loop: SwiftShader unrolls Vulkan's initialiser, 4 s of compiling for 20 KB instead of 0.3.
 */
export const DAWN_OPTIONS: readonly string[] = [
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization,use_vulkan_zero_initialize_workgroup_memory_extension",
];

/**
 * Dawn's objects by the adapter asked for, or on their way, so that calls at the same time share one. Held for good:
 * when one is collected while a device of its own lives, the process crashes.
 */
const dawns = new Map<string, Promise<GPU>>();

export interface AdapterOptions {
  /** Part of the adapter's name, in Node where there are several. */
  readonly adapter?: string;
  /** Which of two adapters; default "high-performance". */
  readonly powerPreference?: GPUPowerPreference;
}

/** @throws {DeviceError} where there is no WebGPU, or no such adapter */
export async function requestAdapter(options: AdapterOptions): Promise<GPUAdapter> {
  const gpu = await findGpu(options.adapter ?? "");
  const { powerPreference = "high-performance" } = options;
  // Dawn rejects where a name fits no adapter, and lists the names in its message.
  const answer = await gpu.requestAdapter({ powerPreference }).catch((error: unknown) => error);
  if (isAdapter(answer)) return answer;
  if (options.adapter === undefined) {
    throw new DeviceError(
      'openDevice: webgpu needs a graphics adapter, got none. Install a Vulkan driver, or use "cpu".',
      { cause: answer },
    );
  }
  const names = [...String(answer).matchAll(/name: '([^']*)'/g)].map(([, name]) => name);
  throw new DeviceError(
    `openDevice: adapter must be part of the name of an adapter (${names.join(", ") || "there is none"}), ` +
      `got ${JSON.stringify(options.adapter)}`,
  );
}

function isAdapter(answer: unknown): answer is GPUAdapter {
  return typeof answer === "object" && answer !== null && !(answer instanceof Error);
}

/** Every adapter that can be told apart by the ways of asking for one; none where there is no WebGPU. */
export async function listAdapters(): Promise<GPUAdapter[]> {
  const gpu = await findGpu("").catch(() => null);
  if (gpu === null) return [];
  const asked = [
    await gpu.requestAdapter({ powerPreference: "high-performance" }),
    await gpu.requestAdapter({ powerPreference: "low-power" }),
    await gpu.requestAdapter({ forceFallbackAdapter: true }),
  ];
  const byName = new Map<string, GPUAdapter>();
  for (const adapter of asked) if (adapter) byName.set(nameOf(adapter.info), adapter);
  return [...byName.values()];
}

/**
 * Whether there may be a GPU here. On Linux every driver has a device file, and without one Dawn is not worth loading:
 * it would only complain on stderr.
 */
export async function mayHaveHardware(): Promise<boolean> {
  if (!isNode || process.platform !== "linux") return true;
  const { existsSync } = nodeModule("node:fs");
  return ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"].some((path) =>
    existsSync(path),
  );
}

/** @throws {DeviceError} where there is no WebGPU */
async function findGpu(adapter: string): Promise<GPU> {
  const here = globalThis.navigator?.gpu as GPU | undefined;
  if (here !== undefined) return here;
  if (!isNode) {
    throw new DeviceError(
      'openDevice: webgpu must be in this browser, got no navigator.gpu. Use a recent browser over https, or "cpu".',
    );
  }
  const found = dawns.get(adapter);
  if (found !== undefined) return found;
  const made = createDawn(adapter);
  dawns.set(adapter, made);
  // A failure is not kept: the package may be there at the next call.
  made.catch(() => dawns.delete(adapter));
  return made;
}

async function createDawn(adapter: string): Promise<GPU> {
  const { create } = await importDawn();
  return create([...DAWN_OPTIONS, ...(adapter === "" ? [] : [`adapter=${adapter}`])]);
}

async function importDawn(): Promise<{ create(options: string[]): GPU }> {
  try {
    // It loads a file whose name it puts together, which no bundler follows: it stays where npm put it.
    return await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ "webgpu");
  } catch (cause) {
    throw new DeviceError(
      'openDevice: webgpu needs the npm package "webgpu" in Node, got none that loads here. ' +
        'Run `npm install webgpu`, or use "cpu".',
      { cause },
    );
  }
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
    name: nameOf(info),
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
    bufferBytes: limits.maxBufferSize,
    offsetAlignment: limits.minStorageBufferOffsetAlignment,
  };
}

function nameOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const parts = [vendor, architecture, device || description].filter((part) => part !== "");
  return parts.join(" ") || "unknown";
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
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function subgroupMatrices(info: GPUAdapterInfo): AdapterFacts["subgroupMatrices"] {
  const { subgroupMatrixConfigs } = info as {
    subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig>;
  };
  return [...(subgroupMatrixConfigs ?? [])].map((config) => ({
    componentType: config.componentType,
    resultType: config.resultComponentType,
    ...{ m: config.M, n: config.N, k: config.K },
  }));
}
