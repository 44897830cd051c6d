// One training step of FLAN-T5-small's configuration: batch 8, 256 + 64 tokens, f32, dropout, clipping, AdamW.
// Beside PyTorch's, taking turns, where it is installed.
//
//   npm run bench:train -- [--threads 2] [--steps 5] [--variant simd]

import { parseArgs } from "node:util";
import { backward } from "../src/autograd/backward.ts";
import { gradientNormForward } from "../src/kernels/optimizer/gradientNorm.ts";
import { openDevice } from "../src/kernels/openDevice.ts";
import { defaultVariant, type WasmVariant } from "../src/kernels/wasm/load.ts";
import { Scope } from "../src/tensor/scope.ts";
import { AdamW } from "../src/optim/adamw.ts";
import { flanT5Small, median, trainingBatch } from "./flanT5Small.ts";
import { startPyTorch } from "./pytorch.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    steps: { type: "string", default: "5" },
    variant: { type: "string", default: await defaultVariant() },
    alone: { type: "boolean", default: false },
  },
});
const threads = Number(options.threads);
const wasmVariant = options.variant as WasmVariant;
const parts = ["forward", "backward", "optimizer", "total"] as const;
type Parts = Record<(typeof parts)[number], number>;

const device = await openDevice("cpu", { threads, wasmVariant });
const model = flanT5Small(device);
model.train();
const optimizer = new AdamW(model.parameters(), { weightDecay: 0.01 });
const batch = trainingBatch();
const losses: number[] = [];

async function step(): Promise<Parts> {
  const memory = new Scope();
  const begun = performance.now();
  const { loss } = memory.run(() => model.forward(batch));
  losses.push(await loss!.item());
  const forward = performance.now();
  const gradients = memory.run(() => backward(loss!));
  await device.sync();
  const backwardEnd = performance.now();
  memory.run(() => {
    const { scale } = gradientNormForward([...gradients.values()], 1);
    optimizer.step(gradients, 1e-4, scale);
  });
  await device.sync();
  const end = performance.now();
  memory.dispose();
  return {
    forward: forward - begun,
    backward: backwardEnd - forward,
    optimizer: end - backwardEnd,
    total: end - begun,
  };
}

const pytorch = options.alone ? null : await startPyTorch(threads);
const ours: Parts[] = [];
const theirs: Parts[] = [];
let theirMemory = 0;
// The first turn of both warms up: compilers, allocators, pages.
for (let turn = 0; turn <= Number(options.steps); turn++) {
  const own = await step();
  if (turn > 0) ours.push(own);
  if (pytorch === null) continue;
  const { rss, ...times } = await pytorch.run("train");
  theirMemory = rss!;
  if (turn > 0)
    theirs.push({ ...(times as Parts), total: Object.values(times).reduce((a, b) => a + b) });
}
pytorch?.close();
await device.close();

const { maxRSS } = process.resourceUsage();
const row = (name: string, steps: readonly Parts[], memory: number) => ({
  side: name,
  ...Object.fromEntries(
    parts.map((part) => [`${part} ms`, Math.round(median(steps.map((s) => s[part])))]),
  ),
  "fastest ms": Math.round(Math.min(...steps.map((s) => s.total))),
  "peak resident MiB": Math.round(memory),
});
console.log(
  `node ${process.versions.node}, ${wasmVariant}, ${threads} threads, medians of ${ours.length} steps`,
);
console.log(`losses ${losses.map((loss) => loss.toFixed(4)).join(" ")}`);
console.table([
  row("gradloom", ours, maxRSS / 1024),
  ...(theirs.length > 0 ? [row("PyTorch", theirs, theirMemory)] : []),
]);
