// The device that a command runs on.

import { availableParallelism, cpus } from "node:os";
import { launchOf, threadsOfRank } from "../distributed/launcher.ts";
import type { DeviceKind, DeviceOptions } from "../kernels/deviceOptions.ts";
import { openDevice } from "../kernels/openDevice.ts";
import { hugePages } from "../system/hugePages.ts";
import type { Device } from "../tensor/device.ts";

/**
 * Opens it with threads as asked for, or this rank's share of a machine's cores. A cpu device's memory lies in huge pages where they
 * can be had: nothing but speed depends on them.
 * @throws {DeviceError} as openDevice
 */
export async function openCommandDevice(
  kind: DeviceKind,
  threads: number | undefined,
): Promise<Device> {
  return openDevice(kind, { ...threadsOf(kind, threads), ...(await memoryOf(kind)) });
}

function threadsOf(kind: DeviceKind, threads: number | undefined): DeviceOptions {
  if (threads !== undefined) return { threads };
  if (kind === "webgpu") return {};
  const share = threadsOfRank(launchOf(process.env), cpus().length, availableParallelism());
  return share === null ? {} : { threads: share };
}

async function memoryOf(kind: DeviceKind): Promise<DeviceOptions> {
  if (kind === "webgpu") return {};
  const adviseMemory = await hugePages().catch(() => null);
  return adviseMemory === null
    ? {}
    : { adviseMemory: (memory) => tryTo(() => adviseMemory(memory)) };
}

/** Linux may be built without huge pages. */
function tryTo(work: () => void): void {
  try {
    work();
  } catch {
    return;
  }
}
