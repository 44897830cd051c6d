// Measurements of the device and gradient checks.

import { signal } from "@preact/signals";
import {
  CHECKED_OPS,
  type GradientCheck,
  type MatmulRate,
  type Peak,
} from "../protocol/kernels.ts";
import { call } from "./client.ts";
import { device } from "./device.ts";

export const peak = signal<Peak | null>(null);
export const rates = signal<readonly MatmulRate[]>([]);
export const isMeasuring = signal(false);
export const op = signal<string>(CHECKED_OPS[0]);
export const checks = signal<
  readonly (GradientCheck | { readonly op: string; readonly error: string })[]
>([]);
export const isChecking = signal(false);

/** Larger products take a slow device too long. */
function sizes(): readonly number[] {
  const { kind, adapter } = device.value ?? { kind: "cpu", adapter: null };
  return kind === "webgpu" && !adapter?.isSoftware
    ? [512, 1024, 2048, 4096]
    : [128, 256, 512, 1024];
}

export async function measure(): Promise<void> {
  isMeasuring.value = true;
  peak.value = null;
  rates.value = [];
  try {
    peak.value = await call("measurePeak", {});
    for (const size of sizes()) {
      const rate = await call("measureMatmul", { size });
      rates.value = [...rates.value, rate];
    }
  } finally {
    isMeasuring.value = false;
  }
}

export async function check(which: readonly string[]): Promise<void> {
  isChecking.value = true;
  checks.value = [];
  try {
    for (const each of which) {
      const done = await call("checkGradient", { op: each }).catch((error: unknown) => {
        return { op: each, error: error instanceof Error ? error.message : String(error) };
      });
      checks.value = [...checks.value, done];
    }
  } finally {
    isChecking.value = false;
  }
}
