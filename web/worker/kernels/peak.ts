// What the device can do at best, measured, so that a product's rate has something to be a share of.

import { WGSL } from "virtual:peak-loops";
import type { Device } from "gradloom";
import { defineKernel, empty, launch } from "gradloom/kernels";
import type { Peak } from "../../protocol/kernels.ts";
import { secondsPerRun } from "./timing.ts";

export function peakOf(device: Device): Promise<Peak> {
  return device.kind === "cpu" ? cpuPeak(device.threads) : gpuPeak(device);
}

async function cpuPeak(threads: number): Promise<Peak> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL("./peakThread.ts", import.meta.url), { type: "module" }),
  );
  try {
    const rates = workers.map(
      (worker) =>
        new Promise<number>((resolve, reject) => {
          worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage("measure");
        }),
    );
    const flops = (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
    return { flops, how: "multiply-adds in WebAssembly SIMD, on all threads at once" };
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

const multiplyAdd = defineKernel({
  name: "pageMultiplyAdd",
  inputs: {},
  outputs: { y: "f32" },
  params: { size: "u32", rounds: "u32", factor: "f32" },
  wgsl: {
    invocations: ({ size }) => size,
    source: WGSL.source,
  },
  plain: () => {
    throw new Error("The peak of webgpu is measured on webgpu.");
  },
});

/** More and more rounds, until a run is long enough to be timed: adapters differ by a factor of 10,000. */
async function gpuPeak(device: Device): Promise<Peak> {
  const size = 2 ** 16;
  const y = empty(device, [size], "f32");
  let flops = 0;
  for (let rounds = 16; rounds <= 2 ** 16; rounds *= 4) {
    const seconds = await secondsPerRun(device, () =>
      launch(multiplyAdd, { y }, { size, rounds, factor: 0.999 }),
    );
    flops = Math.max(flops, (2 * 4 * WGSL.sums * rounds * size) / seconds);
    if (seconds > 0.05) break;
  }
  y.dispose();
  return { flops, how: "multiply-adds of four numbers in registers" };
}
