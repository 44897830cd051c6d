// Measures which shapes of kernels suit an adapter: `openDevice("webgpu")` on the first use of an adapter with matrix units,
// `gradloom devices --tune` on any. tuningCache.ts keeps the result.

import { Scope } from "../../tensor/scope.ts";
import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import {
  measuredAttention,
  setAttentionTiles,
  type AttentionTiles,
} from "../attention/tileSizes.ts";
import { measuredMatrixTiles, setMatrixTiles, type MatrixTiles } from "../matmul/matrixTiles.ts";
import { measuredTiles, setTiles, type MatmulTiles } from "../matmul/tiles.ts";
import { registerAttention, unitAttention } from "./attentionFamilies.ts";
import { applyFastest, type Family } from "./fastest.ts";
import { registerFamily, unitFamily } from "./matmulFamilies.ts";

/** What was measured on an adapter; null where the tables hold. */
export interface Tuning {
  readonly products: MatmulTiles | null;
  readonly matrices: MatrixTiles | null;
  readonly attention: AttentionTiles | null;
}

/** Makes measured shapes the adapter's; null gives the tables back. */
export function setTuning({ name }: AdapterFacts, tuning: Tuning | null): void {
  setTiles(name, tuning?.products ?? null);
  setMatrixTiles(name, tuning?.matrices ?? null);
  setAttentionTiles(name, tuning?.attention ?? null);
}

/** What the adapter has now. */
export function tuningOf(adapter: AdapterFacts): Tuning {
  return {
    products: measuredTiles(adapter),
    matrices: measuredMatrixTiles(adapter),
    attention: measuredAttention(adapter),
  };
}

// What a training step on units spends its time in comes first, for a budget may end before the list does.
const families: readonly ((device: WebGpuDevice) => Family<never> | null)[] = [
  (device) => unitFamily(device, "large", true),
  (device) => unitAttention(device, "key"),
  (device) => unitAttention(device, "query"),
  (device) => unitFamily(device, "small", true),
  (device) => unitFamily(device, "large", false),
  (device) => unitFamily(device, "small", false),
  (device) => registerFamily(device, "rows"),
  (device) => registerFamily(device, "large"),
  (device) => registerAttention(device, "query"),
  (device) => registerAttention(device, "key"),
  (device) => registerFamily(device, "small"),
  (device) => registerFamily(device, "tall"),
  (device) => registerFamily(device, "wide"),
] as readonly ((device: WebGpuDevice) => Family<never> | null)[];

export interface TuneOptions {
  /** Seconds after which nothing further is begun; Infinity unless given. One family that is being compiled ends first. */
  readonly seconds?: number;
  /** Is told of each family as it is measured: its fastest candidate's GFLOP/s. */
  readonly report?: (family: string, gflops: number) => void;
}

/**
 * Measures one family of kernels after another and leaves the adapter with the fastest of each.
 * @returns what the adapter has from now on
 */
export async function tuneAdapter(
  device: WebGpuDevice,
  { seconds = Infinity, report }: TuneOptions = {},
): Promise<Tuning> {
  const { adapter } = device;
  const before = tuningOf(adapter);
  const deadline = performance.now() + 1000 * seconds;
  try {
    for (const make of families) {
      if (performance.now() >= deadline) break;
      const memory = new Scope();
      try {
        const family = memory.run(() => make(device));
        if (family === null) continue;
        const fastest = await applyFastest(device, family, deadline);
        if (fastest) report?.(family.name, fastest.gflops);
      } finally {
        memory.dispose();
      }
    }
  } catch (error) {
    setTuning(adapter, before);
    device.forgetPlans();
    throw error;
  }
  return tuningOf(adapter);
}
