// Greedy generation of FLAN-T5-small's configuration: one text of 128 tokens, 200 new ones, weights in f32, bf16
// and int8. Beside PyTorch's, taking turns, where it is installed.
//
//   npm run bench:generate -- [--threads 2] [--turns 5] [--variant simd]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDevice } from "../src/kernels/openDevice.ts";
import { defaultVariant, type WasmVariant } from "../src/kernels/wasm/load.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import { flanT5Small, median, prompt } from "./flanT5Small.ts";
import { startPyTorch } from "./pytorch.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
    variant: { type: "string", default: await defaultVariant() },
    alone: { type: "boolean", default: false },
  },
});
const threads = Number(options.threads);
const wasmVariant = options.variant as WasmVariant;
const NEW_TOKENS = 200;

const device = await openDevice("cpu", { threads, wasmVariant });
const wide = flanT5Small(device);
const folder = await mkdtemp(join(tmpdir(), "gradloom-bench-"));
await wide.savePretrained(folder);
const load = (dtype: "bfloat16" | "int8") =>
  T5ForConditionalGeneration.fromPretrained(folder, { device, dtype });
const narrow = await load("bfloat16");
const quantized = await load("int8");
await rm(folder, { recursive: true });

async function generate(model: T5ForConditionalGeneration): Promise<number> {
  const begun = performance.now();
  await model.generate(
    { inputIds: prompt() },
    { maxNewTokens: NEW_TOKENS, minNewTokens: NEW_TOKENS },
  );
  return performance.now() - begun;
}

const pytorch = options.alone ? null : await startPyTorch(threads);
const sides: readonly (readonly [string, () => Promise<number>])[] = [
  ["gradloom, f32 weights", () => generate(wide)],
  ["gradloom, bf16 weights", () => generate(narrow)],
  ["gradloom, int8 weights", () => generate(quantized)],
  ...(pytorch === null
    ? []
    : ["float32", "bfloat16"].map(
        (dtype) =>
          [
            `PyTorch, ${dtype}`,
            async () => (await pytorch.run(`generate ${dtype}`)).generate!,
          ] as const,
      )),
];
const times = sides.map((): number[] => []);
// The first turn of each warms up.
for (let turn = 0; turn <= Number(options.turns); turn++) {
  for (const [i, [, run]] of sides.entries()) {
    const time = await run();
    if (turn > 0) times[i]!.push(time);
  }
}
pytorch?.close();
await device.close();

console.log(
  `node ${process.versions.node}, ${wasmVariant}, ${threads} threads, medians of ${options.turns}`,
);
console.table(
  sides.map(([name], i) => ({
    side: name,
    "median ms": Math.round(median(times[i]!)),
    "fastest ms": Math.round(Math.min(...times[i]!)),
    "tokens/s": Number((NEW_TOKENS / (median(times[i]!) / 1000)).toFixed(1)),
  })),
);
