// gradloom devices: what this machine offers, and how fast its matrix product is.

import { Command } from "commander";
import { cpus } from "node:os";
import type { Device } from "../tensor/device.ts";
import { openDevice } from "../kernels/openDevice.ts";
import { matmulForward } from "../kernels/matmul/matmul.ts";
import { launchOf } from "../distributed/launcher.ts";
import { openProcessGroup } from "../distributed/openProcessGroup.ts";
import { defaultVariant } from "../kernels/wasm/load.ts";
import { tuneAdapter } from "../kernels/tuning/tune.ts";
import { loadTuning, saveTuning } from "../kernels/tuning/tuningCache.ts";
import { openAllWebGpu } from "../tensor/webgpu/open.ts";
import type { WebGpuDevice } from "../tensor/webgpu/webgpuDevice.ts";
import { scope } from "../tensor/scope.ts";
import { tensor } from "../tensor/tensor.ts";
import { jsonOption } from "./options.ts";
import { Output } from "./terminal/output.ts";

/** Side of the square product that is timed. */
const SIDE = 512;
const REPEATS = 7;

export function devicesCommand(): Command {
  return new Command("devices")
    .description(
      "devices of this machine: adapters, features, limits, and the measured speed of a matrix product",
    )
    .option(
      "--tune",
      "measure which shapes of products and attention suit each adapter, and keep them in the user's cache folder",
    )
    .addOption(jsonOption())
    .action(({ json, tune = false }: { json: boolean; tune?: boolean }) => devices(json, tune));
}

async function devices(json: boolean, tune: boolean): Promise<void> {
  const output = new Output(json);
  const cpu = await describeCpu(output);
  const adapters = await openAllWebGpu();
  const webgpu = [];
  for (const device of adapters) webgpu.push(await describeWebGpu(device, output, tune));
  if (adapters.length === 0) output.print("webgpu   no adapter found");
  output.result({ devices: [cpu, ...webgpu], mpi: await describeMpi(output) });
}

/** Which library of MPI several processes would talk through, and what started this one. */
async function describeMpi(output: Output) {
  const launch = launchOf(process.env);
  const group = await openProcessGroup("mpi").catch((error: unknown) => error as Error);
  if (group instanceof Error) {
    output.print(`mpi      not usable: ${group.message}`);
    return { library: null, reason: group.message, launch };
  }
  output.print(`mpi      ${group.description}, started by ${launch?.name ?? "no launcher"}`);
  const { description: library, rank, size } = group;
  await group.close();
  return { ...{ library, rank, size }, launch };
}

async function describeCpu(output: Output) {
  const device = await openDevice("cpu");
  const cores = cpus();
  const cpu = {
    kind: "cpu",
    processor: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    threads: device.threads,
    wasmVariant: await defaultVariant(),
    matmulGflops: await measureMatmul(device),
  };
  await device.close();
  output.print(
    `cpu      ${cpu.processor}, ${cpu.cores} cores, ${cpu.threads} threads used, ${cpu.wasmVariant} kernels`,
  );
  output.print(speedLine(cpu.matmulGflops));
  return cpu;
}

async function describeWebGpu(device: WebGpuDevice, output: Output, tunes: boolean) {
  const { adapter } = device;
  await loadTuning(adapter);
  const tuned = tunes ? await tune(device, output) : {};
  const features = [...adapter.features].sort();
  const matmulGflops = await measureMatmul(device);
  await device.close();
  const { subgroupSize: subgroups, subgroupMatrices } = adapter;
  const matrices = subgroupMatrices.map(
    ({ m, n, k, componentType, resultType }) => `${m}x${n}x${k} ${componentType} to ${resultType}`,
  );
  output.print(`webgpu   ${adapter.name}${adapter.software ? " (played by the CPU)" : ""}`);
  output.print(speedLine(matmulGflops));
  output.print(`         features: ${features.join(", ")}`);
  if (subgroups) output.print(`         subgroups of ${subgroups.min} to ${subgroups.max}`);
  if (matrices.length > 0) output.print(`         subgroup matrices: ${matrices.join(", ")}`);
  output.print(
    `         limits: bindings of ${inMiB(adapter.bindingBytes)}, buffers of ${inMiB(adapter.bufferBytes)}, ` +
      `workgroups of ${adapter.workgroupInvocations} with ${adapter.workgroupBytes / 1024} KiB`,
  );
  return { kind: "webgpu", ...adapter, features, matmulGflops, ...tuned };
}

/** Measures an adapter's shapes of kernels and keeps them for later processes. */
async function tune(device: WebGpuDevice, output: Output) {
  output.print(`tuning   ${device.adapter.name}`);
  const tuning = await tuneAdapter(device, {
    report(family, gflops) {
      output.print(`         ${family}: ${gflops.toPrecision(3)} GFLOP/s`);
    },
  });
  const file = await saveTuning(device.adapter, tuning);
  output.print(`         kept in ${file}`);
  return { tuning };
}

function speedLine(gflops: number): string {
  return `         matmul ${SIDE}x${SIDE}x${SIDE}: ${gflops} GFLOP/s (median of ${REPEATS})`;
}

function inMiB(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20).toLocaleString("en-US")} MiB`;
}

/** Median GFLOP/s of a square product, to one decimal. */
async function measureMatmul(device: Device): Promise<number> {
  const values = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i));
  const x = tensor(values, [SIDE, SIDE], { device });
  const seconds: number[] = [];
  for (let i = 0; i <= REPEATS; i++) {
    const begun = performance.now();
    scope(() => {
      matmulForward(x, x);
    });
    await device.sync();
    if (i > 0) seconds.push((performance.now() - begun) / 1000); // the first run warms up
  }
  seconds.sort((a, b) => a - b);
  x.dispose();
  return Math.round((2 * SIDE ** 3) / seconds[REPEATS >> 1]! / 1e8) / 10;
}
