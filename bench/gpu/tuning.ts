// What tuning finds and what it costs.

import { tuneAdapter } from "../../src/kernels/tuning/tune.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import type { Figure } from "./speed.ts";

/** @param seconds the budget. Sections after this one run with what was found */
export async function tuningFigures(device: WebGpuDevice, seconds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  const begun = performance.now();
  const tuning = await tuneAdapter(device, {
    seconds,
    report(family, gflops) {
      figures.push({ what: family, value: gflops, unit: "GFLOP/s" });
    },
  });
  const rounding = tuning.matrices?.rounding;
  figures.push({
    what: `tuning with a budget of ${seconds} s`,
    value: (performance.now() - begun) / 1000,
    unit: "s",
    beside: rounding ? JSON.stringify(rounding.large) : "no units chosen",
  });
  return figures;
}
