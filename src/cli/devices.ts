// gradloom devices: what this machine offers, and how fast its matrix product is.

import { Command } from "commander";
import { cpus } from "node:os";
import type { Device } from "../tensor/device.ts";
import { openDevice } from "../kernels/openDevice.ts";
import { matmul } from "../kernels/matmul.ts";
import { scope } from "../tensor/scope.ts";
import { tensor } from "../tensor/tensor.ts";
import { jsonOption } from "./options.ts";
import { Output } from "./output.ts";

/** Side of the square product that is timed. */
const SIDE = 512;
const REPEATS = 7;

export function devicesCommand(): Command {
  return new Command("devices")
    .description("devices of this machine with the measured speed of a matrix product")
    .addOption(jsonOption())
    .action(({ json }: { json: boolean }) => devices(json));
}

async function devices(json: boolean): Promise<void> {
  const output = new Output(json);
  const device = await openDevice("cpu");
  const gflops = await measureMatmul(device);
  const cores = cpus();
  const cpu = {
    kind: "cpu",
    processor: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    threads: device.threads,
    matmulGflops: Math.round(10 * gflops) / 10,
  };
  output.print(`cpu      ${cpu.processor}, ${cpu.cores} cores, ${cpu.threads} threads used`);
  output.print(
    `         matmul ${SIDE}x${SIDE}x${SIDE}: ${cpu.matmulGflops} GFLOP/s (median of ${REPEATS})`,
  );
  output.print("webgpu   not in this version");
  output.result({ devices: [cpu] });
  await device.close();
}

/** Median GFLOP/s of a square product. */
async function measureMatmul(device: Device): Promise<number> {
  const values = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i));
  const x = tensor(values, [SIDE, SIDE], { device });
  const seconds: number[] = [];
  for (let i = 0; i <= REPEATS; i++) {
    const begun = performance.now();
    scope(() => {
      matmul(x, x);
    });
    await device.sync();
    if (i > 0) seconds.push((performance.now() - begun) / 1000); // the first run warms up
  }
  seconds.sort((a, b) => a - b);
  return (2 * SIDE ** 3) / seconds[REPEATS >> 1]! / 1e9;
}
