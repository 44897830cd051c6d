// Times every kernel at the shapes of T5, after checking that it computes what it should.
//
//   npm run bench -- [--device cpu|webgpu] [--threads 2] [--variant simd] [--filter attention] [--milliseconds 500] [--save]
//
// --save writes bench/results/<machine>.json and the tables of docs/performance.md from all files there.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { openDevice } from "../src/kernels/openDevice.ts";
import { fastestVariant, type WasmVariant } from "../src/kernels/wasm/load.ts";
import type { Device } from "../src/tensor/device.ts";
import { WebGpuDevice } from "../src/tensor/webgpu/webgpuDevice.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { kernelBenches } from "./kernels/index.ts";
import { upload, type KernelBench } from "./kernels/kernelBench.ts";
import { measureCpuPeaks } from "./peaks/cpu.ts";
import type { Peaks } from "./peaks/peaks.ts";
import { printResults, saveResults, type KernelResult } from "./results.ts";
import { validate } from "./validate.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: String(cpus().length) },
    variant: { type: "string", default: fastestVariant() },
    filter: { type: "string", default: "" },
    milliseconds: { type: "string", default: "500" },
    save: { type: "boolean", default: false },
  },
});
const threads = Number(options.threads);
const wasmVariant = options.variant as WasmVariant;

async function open(): Promise<{ device: Device; machine: string; peaks: Peaks | null }> {
  if (options.device === "cpu") {
    const processor = cpus()[0]?.model.trim() ?? "unknown processor";
    return {
      device: await openDevice("cpu", { threads, wasmVariant }),
      machine: `${processor}, ${threads} threads, ${wasmVariant}`,
      peaks: await measureCpuPeaks(threads, wasmVariant),
    };
  }
  if (options.device !== "webgpu") {
    throw new Error(`bench: --device must be cpu or webgpu, got ${options.device}`);
  }
  const device = await openDevice("webgpu");
  const machine = device instanceof WebGpuDevice ? device.adapter.name : "webgpu";
  return { device, machine, peaks: null };
}

/** Medians over runs that each end with all work done. */
async function measure(device: Device, bench: KernelBench): Promise<KernelResult> {
  const inputs = bench.inputs().map((input) => upload(device, input));
  const kept = new Set<Tensor>(inputs);
  const timer = new Bench({ time: Number(options.milliseconds), warmupTime: 100, iterations: 5 });
  timer.add(bench.kernel, async () => {
    const outputs = bench.run(inputs);
    await device.sync();
    for (const each of outputs) if (!kept.has(each)) each.dispose();
  });
  const [task] = await timer.run();
  for (const each of inputs) each.dispose();
  const result = task!.result;
  if (!("latency" in result)) throw new Error(`bench: ${bench.kernel} ${bench.shape} did not run`);
  const { p50, mad, samplesCount } = result.latency;
  const { kernel, shape, flops, bytes } = bench;
  return { kernel, shape, flops, bytes, milliseconds: p50, deviation: mad, samples: samplesCount };
}

const { device, machine, peaks } = await open();
const chosen = kernelBenches.filter(({ kernel, shape }) =>
  `${kernel} ${shape}`.includes(options.filter),
);
const results: KernelResult[] = [];
for (const bench of chosen) {
  await validate(device, bench);
  results.push(await measure(device, bench));
}
await device.close();
const report = {
  machine,
  device: options.device,
  runtime: `node ${process.versions.node}`,
  command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim(),
  peaks,
  results,
};
printResults(report);
if (options.save) await saveResults(report);
