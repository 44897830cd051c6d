// Times of work on a GPU: by its own clock where it has one, else by ours around many runs.

import { Scope } from "../../src/tensor/scope.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { median } from "../flanT5Small.ts";

export interface Timing {
  /** Median of a run. */
  readonly seconds: number;
  /** Median absolute deviation from it. */
  readonly deviation: number;
  readonly runs: number;
  readonly clock: "gpu" | "host";
}

/**
 * @param work records the same dispatches each time; tensors that it makes are freed
 * @param quick a few runs alone
 */
export async function secondsPerRun(
  device: WebGpuDevice,
  work: () => void,
  quick: boolean,
): Promise<Timing> {
  const run = (): void => {
    const memory = new Scope();
    memory.run(work);
    memory.dispose();
  };
  const host = async (runs: number): Promise<number> => {
    const begun = performance.now();
    for (let i = 0; i < runs; i++) run();
    await device.sync();
    return (performance.now() - begun) / 1000 / runs;
  };
  await host(1); // compiles
  const first = await host(quick ? 1 : 10);
  const runs = Math.max(3, Math.min(200, Math.ceil((quick ? 0.2 : 0.5) / first)));
  if (device.adapter.features.has("timestamp-query")) {
    const times = await device.profile(() => {
      for (let i = 0; i < runs; i++) run();
    });
    const dispatches = times.length / runs;
    const each = Array.from({ length: runs }, (_, i) =>
      times
        .slice(i * dispatches, (i + 1) * dispatches)
        .reduce((sum, { nanoseconds }) => sum + nanoseconds / 1e9, 0),
    );
    const seconds = median(each);
    if (seconds > 0) return { seconds, deviation: spread(each, seconds), runs, clock: "gpu" };
  }
  const each: number[] = [];
  for (let i = 0; i < 5; i++) each.push(await host(Math.ceil(runs / 5)));
  const seconds = median(each);
  return { seconds, deviation: spread(each, seconds), runs, clock: "host" };
}

function spread(values: readonly number[], middle: number): number {
  return median(values.map((value) => Math.abs(value - middle)));
}
