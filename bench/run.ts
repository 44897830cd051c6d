// Times every kernel at the shapes of T5, after checking that it computes what it should.
//
//   npm run bench -- [--device cpu|webgpu] [--threads 2] [--variant simd] [--filter attention] [--milliseconds 500] [--save]
//
// Where a CPU plays the GPU, what takes more than 5 GFLOP runs only if --filter asks for it: the products with the
// vocabulary take a minute each.
//
// --save writes bench/results/<machine>.json and the tables of docs/internals/performance.md from all files there.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import { openDevice } from "../src/kernels/openDevice.ts";
import { defaultVariant, type WasmVariant } from "../src/kernels/wasm/load.ts";
import type { Device } from "../src/tensor/device.ts";
import { WebGpuDevice } from "../src/tensor/webgpu/webgpuDevice.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { kernelBenches } from "./kernels/index.ts";
import { upload, type KernelBench } from "./kernels/kernelBench.ts";
import { measureCpuPeaks } from "./peaks/cpu.ts";
import { measureGpuPeaks } from "./peaks/webgpu.ts";
import { better, raised, type Peaks } from "./peaks/peaks.ts";
import { secondsPerRun } from "./gpu/timing.ts";
import { printResults, saveResults, type KernelResult } from "./results.ts";
import { validate } from "./validate.ts";
import { restartWithAdapter } from "./withAdapter.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: String(cpus().length) },
    variant: { type: "string", default: await defaultVariant() },
    filter: { type: "string", default: "" },
    milliseconds: { type: "string", default: "500" },
    save: { type: "boolean", default: false },
  },
});
const threads = Number(options.threads);
const wasmVariant = options.variant as WasmVariant;

/** Most floating-point operations of a bench that runs unasked where a CPU plays the GPU. */
const MOST_FLOPS_IN_SOFTWARE = 5e9;

interface Opened {
  readonly device: Device;
  readonly machine: string;
  measurePeaks(): Promise<Peaks>;
  readonly isSlow: boolean;
  measure(bench: KernelBench): Promise<KernelResult>;
}

async function openCpu(): Promise<Opened> {
  const device = await openDevice("cpu", { threads, wasmVariant });
  const processor = cpus()[0]?.model.trim() ?? "unknown processor";
  return {
    device,
    machine: `${processor}, ${threads} threads, ${wasmVariant}`,
    measurePeaks: () => measureCpuPeaks(threads, wasmVariant),
    isSlow: false,
    measure: (bench) => measure(device, bench),
  };
}

async function openGpu(): Promise<Opened> {
  restartWithAdapter();
  const device = await openDevice("webgpu");
  if (!(device instanceof WebGpuDevice)) throw new Error("bench: openDevice gave another device");
  const { name, software } = device.adapter;
  return {
    device,
    machine: name,
    measurePeaks: () => measureGpuPeaks(device, software),
    isSlow: software,
    measure: (bench) => measureOnGpu(device, bench),
  };
}

function open(): Promise<Opened> {
  if (options.device === "cpu") return openCpu();
  if (options.device === "webgpu") return openGpu();
  throw new Error(`bench: --device must be cpu or webgpu, got ${options.device}`);
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
  return resultOf(bench, p50, mad, samplesCount);
}

/** By the GPU's clock where it has one. */
async function measureOnGpu(device: WebGpuDevice, bench: KernelBench): Promise<KernelResult> {
  const inputs = bench.inputs().map((input) => upload(device, input));
  const work = (): void => void bench.run(inputs);
  const { seconds, deviation, runs } = await secondsPerRun(device, work, device.adapter.software);
  for (const each of inputs) each.dispose();
  return resultOf(bench, 1000 * seconds, 1000 * deviation, runs);
}

function resultOf(
  { kernel, shape, flops, bytes }: KernelBench,
  milliseconds: number,
  deviation: number,
  samples: number,
): KernelResult {
  return { kernel, shape, flops, bytes, milliseconds, deviation, samples };
}

const { device, machine, isSlow, ...opened } = await open();
const before = await opened.measurePeaks();
const isLeftOut = ({ flops }: KernelBench): boolean =>
  isSlow && options.filter === "" && flops > MOST_FLOPS_IN_SOFTWARE;
const chosen = kernelBenches.filter(
  (bench) => `${bench.kernel} ${bench.shape}`.includes(options.filter) && !isLeftOut(bench),
);
const results: KernelResult[] = [];
for (const bench of chosen) {
  await validate(device, bench);
  results.push(await opened.measure(bench));
}
// A machine that was busy at the beginning would make shares above 100%.
const peaks = raised(better(before, await opened.measurePeaks()), results);
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
