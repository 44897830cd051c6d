// Time and memory of training steps of any size that fits: FLAN-T5's configurations with random weights.
//
//   npm run bench:memory -- [--model small|base] [--dtype f32|bf16] [--batch 8] [--source 256] [--target 64]
//     [--gradient-checkpointing] [--threads 2] [--steps 3]

import { parseArgs } from "node:util";
import { openDevice } from "../src/kernels/openDevice.ts";
import { FLAN_T5_SMALL, median } from "./flanT5Small.ts";
import { FLAN_T5_BASE } from "./gpu/models.ts";
import { trainingStep } from "./gpu/trainingStep.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "small" },
    dtype: { type: "string", default: "f32" },
    batch: { type: "string", default: "8" },
    source: { type: "string", default: "256" },
    target: { type: "string", default: "64" },
    "gradient-checkpointing": { type: "boolean", default: false },
    threads: { type: "string", default: "2" },
    steps: { type: "string", default: "3" },
  },
});
if (options.model !== "small" && options.model !== "base") {
  throw new Error(`bench: --model must be small or base, got ${options.model}`);
}
if (options.dtype !== "f32" && options.dtype !== "bf16") {
  throw new Error(`bench: --dtype must be f32 or bf16, got ${options.dtype}`);
}
const [texts, source, target] = [options.batch, options.source, options.target].map(Number) as [
  number,
  number,
  number,
];
const gradientCheckpointing = options["gradient-checkpointing"];

const device = await openDevice("cpu", { threads: Number(options.threads) });
const step = trainingStep(device, {
  fields: options.model === "base" ? FLAN_T5_BASE : FLAN_T5_SMALL,
  dtype: options.dtype,
  ...{ texts, source, target, gradientCheckpointing },
});

/** Milliseconds of a step. Its activations and gradients live until it ends. */
async function milliseconds(): Promise<number> {
  const begun = performance.now();
  step.run();
  await device.sync();
  return performance.now() - begun;
}

// The first step makes the optimizer's moments.
await milliseconds();
const before = device.memory().bytes;
device.resetPeak();
const times: number[] = [];
for (let i = 0; i < Number(options.steps); i++) times.push(await milliseconds());
const { peakBytes } = device.memory();
step.dispose();
await device.close();

const mebi = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
console.log(
  `flan-t5-${options.model}, ${options.dtype}, batch ${texts}, ${source} + ${target} tokens, ` +
    `gradient checkpointing ${gradientCheckpointing ? "on" : "off"}, node ${process.versions.node}`,
);
console.table({
  "a step, median": `${Math.round(median(times))} ms`,
  "weights and moments": mebi(before),
  "peak of tensors": mebi(peakBytes),
  "activations and gradients at the peak": mebi(peakBytes - before),
  "peak resident": mebi(process.resourceUsage().maxRSS * 1024),
});
