// The device that computes.

import { signal } from "@preact/signals";
import type { DeviceChoice, DeviceFacts } from "../protocol/device.ts";
import { call } from "./client.ts";

export const device = signal<DeviceFacts | null>(null);
export const deviceKind = signal<DeviceChoice["kind"]>("auto");

/** `?device=cpu&threads=2` in the address choose, for measurements and tests. */
export function choiceInAddress(): DeviceChoice {
  const query = new URLSearchParams(location.search);
  const kind = query.get("device");
  const threads = Number(query.get("threads"));
  return {
    kind: kind === "cpu" || kind === "webgpu" ? kind : "auto",
    threads: threads >= 1 ? threads : undefined,
  };
}

export async function openDevice(choice: DeviceChoice): Promise<void> {
  device.value = null;
  deviceKind.value = choice.kind;
  device.value = await call("openDevice", choice);
}
