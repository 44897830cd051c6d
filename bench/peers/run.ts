// gradloom beside the libraries one would use instead, in one run: sides take turns, each result is read back, and
// results are compared before anything is timed.
//
//   npm run bench:peers -- [--threads 2] [--turns 5]

import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { gradloom, jaxWasm, onnxruntime, tensorflowWasm, type Run, type Side } from "./sides.ts";
import { workloads, type Workload } from "./workloads.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
  },
});
const threads = Number(options.threads);
const turns = Number(options.turns);
const WARM_UP = 3;
const RUNS_OF_A_TURN = 5;
const PAUSE_MS = 50;
const TOLERANCE = 1e-3;

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

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

async function timesOf(workload: Workload, sides: readonly Side[]): Promise<number[][]> {
  const runs: Run[] = [];
  for (const side of sides) runs.push(await side.prepare(workload));
  const ours = Float32Array.from(await runs[0]!());
  for (const [i, run] of runs.entries()) checkSame(workload, sides[i]!.name, ours, await run());
  const times = sides.map((): number[] => []);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, run] of runs.entries()) {
      // The threads of the side before may still spin in wait for more work, on the core that this side needs.
      await setTimeout(PAUSE_MS);
      for (let warm = 0; warm < WARM_UP; warm++) await run();
      for (let timed = 0; timed < RUNS_OF_A_TURN; timed++) {
        const begun = performance.now();
        await run();
        times[i]!.push(performance.now() - begun);
      }
    }
  }
  return times;
}

const sides = [
  await gradloom(threads),
  await tensorflowWasm(threads),
  await jaxWasm(),
  await onnxruntime(threads),
];
console.log(
  `node ${process.versions.node}, ${threads} threads, medians of ${turns} turns of ${RUNS_OF_A_TURN} runs`,
);
for (const workload of workloads) {
  const times = await timesOf(workload, sides);
  const own = median(times[0]!);
  console.log(workload.title);
  console.table(
    sides.map(({ name }, i) => {
      const ms = median(times[i]!);
      return {
        side: name,
        "median ms": Number(ms.toPrecision(3)),
        "fastest ms": Number(Math.min(...times[i]!).toPrecision(3)),
        ...(workload.flops > 0
          ? { "GFLOP/s": Number((workload.flops / ms / 1e6).toPrecision(3)) }
          : {}),
        "time over gradloom's": Number((ms / own).toFixed(2)),
      };
    }),
  );
}
for (const side of sides) await side.close();
// tfjs and jax-js leave their threads waiting.
process.exit(0);
