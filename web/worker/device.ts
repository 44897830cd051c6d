// The device: WebGPU where there is a GPU, else the cpu with the threads that the page may have.

import { openDevice, type Device } from "gradloom";
import type { AdapterReport, DeviceChoice, DeviceFacts } from "../protocol/device.ts";
import { session } from "./session.ts";

/** Opens the device that is asked for, or the best one; what was loaded on another one is let go. */
export async function openBest(choice: DeviceChoice): Promise<DeviceFacts> {
  const adapter = await reportAdapter();
  const device = await open(choice);
  session.loaded = null;
  await session.device?.close();
  session.device = device;
  return describe(device, adapter, choice);
}

async function open({ kind, threads }: DeviceChoice): Promise<Device> {
  const options = threads === undefined ? {} : { threads };
  return openDevice(kind, kind === "webgpu" ? {} : options);
}

function describe(
  { kind, threads }: Device,
  adapter: AdapterReport | null,
  choice: DeviceChoice,
): DeviceFacts {
  const isIsolated = globalThis.crossOriginIsolated;
  const count = threads === 1 ? "1 thread" : `${threads} threads`;
  return {
    ...{ kind, threads, isIsolated, adapter },
    label: kind === "webgpu" ? `WebGPU, ${adapter?.name ?? "unnamed adapter"}` : `CPU, ${count}`,
    reason: kind === "webgpu" || choice.kind === "cpu" ? "" : reasonForCpu(adapter, isIsolated),
  };
}

function reasonForCpu(adapter: AdapterReport | null, isIsolated: boolean): string {
  const gpu =
    adapter === null
      ? "This browser offers no WebGPU adapter."
      : "The only WebGPU adapter here is a program on the CPU, which the cpu device outruns.";
  if (isIsolated) return gpu;
  return `${gpu} Threads need a cross-origin isolated page, and this one is not: one thread computes.`;
}

/** Limits that decide how large a model and how fast a kernel can be. */
const SHOWN_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
] as const;

async function reportAdapter(): Promise<AdapterReport | null> {
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return null;
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const name = [vendor, architecture, device || description].filter(Boolean).join(" ");
  return {
    name: name || "unnamed",
    isSoftware: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp|software/i.test(name),
    features: [...adapter.features].sort(),
    limits: SHOWN_LIMITS.map((limit) => [limit, adapter.limits[limit]] as const),
  };
}
