// gradloom beside the libraries one would use instead, in one run: sides take turns, each result is read back, and
// results are compared before anything is timed.
//
//   npm run bench:peers -- [--device cpu|webgpu] [--threads 2] [--turns 5] [--filter matmul]
//
// cpu      tfjs-backend-wasm, @jax-js/jax on WebAssembly, onnxruntime-node
// webgpu   tfjs-backend-webgpu and @jax-js/jax on WebGPU, all on the same adapter through one instance of Dawn

import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { median } from "../flanT5Small.ts";
import { restartWithAdapter } from "../withAdapter.ts";
import { gradloom } from "./gradloom.ts";
import { jaxWasm, jaxWebGpu } from "./jax.ts";
import { giveGpu } from "./navigator.ts";
import { onnxruntime } from "./onnxruntime.ts";
import type { Run, Side } from "./side.ts";
import { tensorflowWasm, tensorflowWebGpu } from "./tensorflow.ts";
import { cpuWorkloads, webGpuWorkloads, type Workload } from "./workloads.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
    filter: { type: "string", default: "" },
  },
});
const turns = Number(options.turns);
const PAUSE_MS = 50;
const TOLERANCE = 1e-3;

interface Comparison {
  readonly where: string;
  readonly sides: readonly Side[];
  readonly workloads: readonly Workload[];
  /** Runs of a side's turn: untimed ones first, then those that count. */
  readonly warmUps: number;
  readonly runs: number;
}

async function onCpu(): Promise<Comparison> {
  const threads = Number(options.threads);
  const sides = [
    gradloom(await openDevice("cpu", { threads })),
    await tensorflowWasm(threads),
    await jaxWasm(),
    await onnxruntime(threads),
  ];
  return { where: `${threads} threads`, sides, workloads: cpuWorkloads, warmUps: 3, runs: 5 };
}

async function onWebGpu(): Promise<Comparison> {
  restartWithAdapter();
  giveGpu();
  const device = await openDevice("webgpu");
  if (!(device instanceof WebGpuDevice)) throw new Error("bench: openDevice gave another device");
  const { name: where, software } = device.adapter;
  const sides = [gradloom(device), await tensorflowWebGpu(), await jaxWebGpu()];
  // Where a CPU plays the GPU, a run takes seconds, and the first one, which is compared, has compiled.
  const [warmUps, runs] = software ? [0, 1] : [3, 5];
  return { where, sides, workloads: webGpuWorkloads, warmUps, runs };
}

function compare(device: string): Promise<Comparison> {
  if (device === "cpu") return onCpu();
  if (device === "webgpu") return onWebGpu();
  throw new Error(`bench: --device must be cpu or webgpu, got ${device}`);
}

function checkSame(
  workload: Workload,
  name: string,
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
) {
  const largest = Array.from(ours).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let i = 0; i < ours.length; i++) {
    if (Math.abs(ours[i]! - theirs[i]!) <= TOLERANCE * largest) continue;
    throw new Error(
      `bench: ${name} must compute the same ${workload.title}, got ${theirs[i]} for ${ours[i]} at ${i}`,
    );
  }
}

/** Of a run: on the clock, and of all threads of this process, whatever else the machine is doing. */
interface Time {
  readonly wall: number;
  readonly cpu: number;
}

async function timed(run: Run): Promise<Time> {
  const begun = performance.now();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - begun, cpu: (user + system) / 1000 };
}

async function timesOf(
  workload: Workload,
  { sides, warmUps, runs: counted }: Comparison,
): Promise<Time[][]> {
  const runs: Run[] = [];
  for (const side of sides) runs.push(await side.prepare(workload));
  const ours = Float32Array.from(await runs[0]!());
  for (const [i, run] of runs.entries()) checkSame(workload, sides[i]!.name, ours, await run());
  const times = sides.map((): Time[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, run] of runs.entries()) {
      // The threads of the side before may still spin in wait for more work, on the core that this side needs.
      await setTimeout(PAUSE_MS);
      for (let warm = 0; warm < warmUps; warm++) await run();
      for (let j = 0; j < counted; j++) times[i]!.push(await timed(run));
    }
  }
  return times;
}

function show(
  workload: Workload,
  sides: readonly Side[],
  times: readonly (readonly Time[])[],
): void {
  const [walls, cpus] = (["wall", "cpu"] as const).map((clock) =>
    times.map((each) => each.map((time) => time[clock])),
  ) as [number[][], number[][]];
  const own = median(walls[0]!);
  console.log(workload.title);
  console.table(
    sides.map(({ name }, i) => {
      const ms = median(walls[i]!);
      return {
        side: name,
        "median ms": Number(ms.toPrecision(3)),
        "fastest ms": Number(Math.min(...walls[i]!).toPrecision(3)),
        "cpu ms": Number(median(cpus[i]!).toPrecision(3)),
        ...(workload.flops > 0
          ? { "GFLOP/s": Number((workload.flops / ms / 1e6).toPrecision(3)) }
          : {}),
        "time over gradloom's": Number((ms / own).toFixed(2)),
      };
    }),
  );
}

const comparison = await compare(options.device);
const { where, sides, workloads, runs } = comparison;
console.log(
  `node ${process.versions.node}, ${where}, medians of ${turns} turns of ${runs} ${runs === 1 ? "run" : "runs"}`,
);
for (const workload of workloads) {
  if (!workload.title.includes(options.filter)) continue;
  show(workload, sides, await timesOf(workload, comparison));
}
for (const side of sides) await side.close();
// tfjs and jax-js leave their threads waiting.
process.exit(0);
