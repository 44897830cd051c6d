// Tuning without being asked: the first time that an adapter with matrix units is opened.

import { variable } from "../../tensor/host.ts";
import { isNode } from "../../tensor/runtime.ts";
import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";
import { matrixShape } from "../matmul/matrixTiles.ts";
import { tuneAdapter } from "./tune.ts";
import { loadTuning, saveTuning } from "./tuningCache.ts";

/** What the first use may cost. */
const SECONDS = 2;

/** Adapters that this process loaded or measured, by name; a second device waits for the first one's. */
const adapters = new Map<string, Promise<void>>();

/**
 * Uses what was measured on the device's adapter; where nothing was, and the adapter is hardware with matrix units, measures now
 * and keeps it. Without units the tables do as well within some percent, and nobody waits for that.
 * @param tunes whether it may measure
 */
export async function tuneOnFirstUse(device: WebGpuDevice, tunes: boolean): Promise<void> {
  if (!isNode) return;
  const { adapter } = device;
  const mayTune = tunes && variable("GRADLOOM_TUNE") !== "0" && !adapter.software;
  const key = `${adapter.name} ${mayTune}`;
  const begun = adapters.get(key);
  if (begun) return begun;
  const work = (async () => {
    const isKnown = await loadTuning(adapter);
    if (isKnown || !mayTune || matrixShape(adapter, true) === null) return;
    await keep(device);
  })();
  adapters.set(key, work);
  return work;
}

async function keep(device: WebGpuDevice): Promise<void> {
  const tuning = await tuneAdapter(device, { seconds: SECONDS });
  // A read-only home costs the next process the same two seconds, not this one its device.
  await saveTuning(device.adapter, tuning).catch(() => undefined);
}

/** Forgets what this process loaded or measured, for tests. */
export function forgetFirstUses(): void {
  adapters.clear();
}
