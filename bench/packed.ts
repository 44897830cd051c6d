// Samples a second of the Trainer on DialogSum, with and without computed padding and with rows grouped by length, beside
// transformers' Trainer with its dynamic padding on the same rows, taking turns.
//
//   npm run bench:packed -- --data ../shared/data/dialogsum --model ../shared/models/flan-t5-small [--turns 5] [--steps 8]
//
// A model folder without weights gives the configuration: its weights are random. GRADLOOM_PYTHON names PyTorch's interpreter.

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { openDevice } from "../src/kernels/openDevice.ts";
import { defaultVariant, type WasmVariant } from "../src/kernels/wasm/load.ts";
import { Tokenizer } from "../src/model/tokenizer.ts";
import { loadDataset } from "../src/data/loadDataset.ts";
import { preprocess } from "../src/data/preprocess.ts";
import { T5Config } from "../src/t5/config.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import type { TrainingArgumentsInput } from "../src/train/arguments/arguments.ts";
import { Trainer } from "../src/train/trainer.ts";
import { median } from "./flanT5Small.ts";
import { startPyTorch } from "./pytorch.ts";

const { values: options } = parseArgs({
  options: {
    data: { type: "string", default: "examples/data" },
    model: { type: "string", default: "examples/model" },
    batch: { type: "string", default: "8" },
    steps: { type: "string", default: "8" },
    turns: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    variant: { type: "string", default: await defaultVariant() },
    alone: { type: "boolean", default: false },
  },
});
const [steps, batch, threads] = [options.steps, options.batch, options.threads].map(Number) as [
  number,
  number,
  number,
];

const device = await openDevice("cpu", { threads, wasmVariant: options.variant as WasmVariant });
const tokenizer = await Tokenizer.fromPretrained(options.model);
const { train } = await loadDataset(options.data);
const rows = await preprocess({ rows: train!.rows.slice(0, steps * batch) }, tokenizer);

async function openModel(): Promise<T5ForConditionalGeneration> {
  if (existsSync(join(options.model, "model.safetensors"))) {
    return T5ForConditionalGeneration.fromPretrained(options.model, { device });
  }
  const fields = JSON.parse(await readFile(join(options.model, "config.json"), "utf8")) as Record<
    string,
    unknown
  >;
  return T5ForConditionalGeneration.fromConfig(T5Config.fromJSON(fields), { device, seed: 1 });
}

const GROUPED = { trainSamplingStrategy: "group_by_length" } as const;
const sides: Readonly<Record<string, TrainingArgumentsInput>> = {
  padded: { packBatches: false },
  packed: {},
  "padded, grouped by length": { packBatches: false, ...GROUPED },
  "packed, grouped by length": GROUPED,
};

interface Turn {
  readonly samplesPerSecond: number;
  readonly MiB: number;
}

/** An epoch of the rows: orders that begin with the longest ones compute as many tokens as others. */
async function turn(
  model: T5ForConditionalGeneration,
  args: TrainingArgumentsInput,
): Promise<Turn> {
  device.resetPeak();
  const trainer = new Trainer({
    model,
    trainDataset: rows,
    args: {
      ...{ saveStrategy: "no", disableTqdm: true, maxSteps: steps, learningRate: 1e-5 },
      ...{ perDeviceTrainBatchSize: batch, ...args },
    },
  });
  const { metrics } = await trainer.train();
  return {
    samplesPerSecond: (steps * batch) / metrics.train_runtime!,
    MiB: device.memory().peakBytes / 2 ** 20,
  };
}

const folder = await mkdtemp(join(tmpdir(), "gradloom-packed-"));
await writeFile(join(folder, "rows.json"), JSON.stringify(rows));
const theirArguments = [resolve(options.model), join(folder, "rows.json"), steps, batch].map(
  String,
);
const pytorch = options.alone
  ? null
  : await startPyTorch(threads, "pytorchTrainer.py", theirArguments);
const model = await openModel();
const turns = new Map<string, Turn[]>();
// The first round of all warms up: compilers, allocators, pages.
function note(round: number, side: string, result: Turn): void {
  console.error(
    `round ${round} of ${options.turns}: ${side}, ${result.samplesPerSecond.toFixed(2)} samples/s`,
  );
  if (round > 0) turns.set(side, [...(turns.get(side) ?? []), result]);
}
for (let round = 0; round <= Number(options.turns); round++) {
  for (const [side, args] of Object.entries(sides)) {
    note(round, side, await turn(model, args));
  }
  if (pytorch === null) continue;
  for (const [side, request] of [
    ["transformers, PyTorch", "random"],
    ["transformers, PyTorch, grouped by length", "grouped"],
  ] as const) {
    const { seconds, rss } = await pytorch.run(request);
    note(round, side, { samplesPerSecond: (steps * batch) / seconds!, MiB: rss! });
  }
}
pytorch?.close();
await device.close();
await rm(folder, { recursive: true });

const base = median(turns.get("padded")!.map(({ samplesPerSecond }) => samplesPerSecond));
console.log(
  `node ${process.versions.node}, ${options.variant}, ${threads} threads, ${options.model}, batches of ${batch}: ` +
    `medians of ${options.turns} turns of ${steps} updates`,
);
console.table(
  [...turns].map(([side, results]) => {
    const rates = results.map(({ samplesPerSecond }) => samplesPerSecond);
    return {
      side,
      "samples/s": median(rates).toFixed(2),
      fastest: Math.max(...rates).toFixed(2),
      "times padded": (median(rates) / base).toFixed(2),
      // Of gradloom tensors alone, of PyTorch the whole process.
      "peak MiB": Math.round(median(results.map(({ MiB }) => MiB))),
    };
  }),
);
