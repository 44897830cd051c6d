// Where a training step's time goes on the GPU, kernel by kernel.

import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import type { Figure } from "./speed.ts";
import { trainingStep, type StepShape } from "./trainingStep.ts";

/** Kernels that are named; the others are one line. */
const NAMED = 16;

/** GPU time of the dispatches of one step, by kernel and shader, most first. Their sum is no step's time: see profiler.ts. */
export async function profileFigures(
  device: WebGpuDevice,
  { name, ...shape }: StepShape & { readonly name: string },
): Promise<Figure[]> {
  if (!device.adapter.features.has("timestamp-query")) return [];
  const step = trainingStep(device, shape);
  try {
    step.run(); // compiles
    await device.sync();
    const totals = new Map<string, { ms: number; dispatches: number }>();
    let sum = 0;
    for (const { label, nanoseconds } of await device.profile(() => step.run())) {
      const total = totals.get(label) ?? { ms: 0, dispatches: 0 };
      totals.set(label, total);
      total.ms += nanoseconds / 1e6;
      total.dispatches++;
      sum += nanoseconds / 1e6;
    }
    const sorted = [...totals].sort(([, a], [, b]) => b.ms - a.ms);
    const rest = sorted.splice(NAMED);
    if (rest.length > 0) {
      const add = (key: "ms" | "dispatches"): number => rest.reduce((n, [, x]) => n + x[key], 0);
      sorted.push([`${rest.length} others`, { ms: add("ms"), dispatches: add("dispatches") }]);
    }
    return sorted.map(([label, { ms, dispatches }]) => ({
      what: `${name}: ${label}`,
      value: ms,
      unit: "ms",
      beside: `${((100 * ms) / sum).toFixed(1)}%, ${dispatches} dispatches`,
    }));
  } finally {
    step.dispose();
  }
}
