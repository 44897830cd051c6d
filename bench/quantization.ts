// What storing weights in fewer bits does to a model: loss, agreement of its predictions, ROUGE, and an adapter trained over
// it. Prints the tables of docs/internals/measurements/precision.md; f32 comes first, the others are compared with it.
//
//   npm run bench:quantization -- --model MODEL --dataset DATA [--validation-rows 500] [--rouge-rows 500]
//     [--variants f32,bf16,int8,q4] [--lora-steps 0] [--threads 2]

import { parseArgs } from "node:util";
import { noGrad } from "../src/autograd/tape.ts";
import type { Row } from "../src/data/dataset.ts";
import { loadDataset } from "../src/data/loadDataset.ts";
import { preprocess } from "../src/data/preprocess.ts";
import { seq2seqCollate } from "../src/data/collate.ts";
import { summarize } from "../src/data/summarize.ts";
import { rouge } from "../src/eval/rouge.ts";
import { openDevice } from "../src/kernels/openDevice.ts";
import { Tokenizer } from "../src/model/tokenizer.ts";
import { addLora } from "../src/t5/lora/adapter.ts";
import { LoraConfig } from "../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import { byteLength } from "../src/tensor/dtype.ts";
import { scope } from "../src/tensor/scope.ts";
import { Trainer } from "../src/train/trainer.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "examples/model" },
    dataset: { type: "string", default: "examples/data" },
    "validation-rows": { type: "string", default: "500" },
    "rouge-rows": { type: "string", default: "500" },
    variants: { type: "string", default: "f32,bf16,int8,q4" },
    "lora-steps": { type: "string", default: "0" },
    threads: { type: "string", default: "2" },
  },
});

/** What becomes of a block of weights: `levels` on either side of 0, one scale for `block` numbers, or for a row. */
interface Rounding {
  readonly levels: number;
  readonly block: number | "row";
}
type Rule = (name: string) => Rounding | null;

const isTable = (name: string): boolean => /^(?:shared|lm_head)\.weight$/.test(name);
const isWo = (name: string): boolean => name.endsWith(".wo.weight");
const isLinear = (name: string): boolean => /\.(?:[qkvo]|wi|wi_[01])\.weight$/.test(name);
const q8 = { levels: 127, block: 32 } as const;
const q4 = { levels: 7, block: 32 } as const;
const row = { levels: 127, block: "row" } as const;

/** Variants that no storage has: rounded and widened again, over f32 weights. */
const rules: Readonly<Record<string, Rule>> = {
  "int8-tables-f32": (name) => (isLinear(name) ? q8 : null),
  "int8-tables-by-row": (name) => (isLinear(name) ? q8 : isTable(name) ? row : null),
  "int8-with-wo": (name) => (isLinear(name) || isWo(name) || isTable(name) ? q8 : null),
  "int8-all-by-row": (name) => (isLinear(name) || isTable(name) ? row : null),
  q4: (name) => (isLinear(name) ? q4 : isTable(name) ? q8 : null),
  "q4-all": (name) => (isLinear(name) || isWo(name) || isTable(name) ? q4 : null),
};

function rounded(values: Float32Array, { levels, block }: Rounding, length: number): Float32Array {
  const result = new Float32Array(values.length);
  const size = block === "row" ? length : block;
  for (let from = 0; from < values.length; from += size) {
    const part = values.subarray(from, from + size);
    const scale = Math.fround(part.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / levels);
    if (scale === 0) continue;
    part.forEach((x, i) => (result[from + i] = scale * Math.round(x / scale)));
  }
  return result;
}

const device = await openDevice("cpu", { threads: Number(options.threads) });
const tokenizer = await Tokenizer.fromPretrained(options.model);
const dataset = await loadDataset(options.dataset);
const validation = dataset.validation!.rows.slice(0, Number(options["validation-rows"]));
const test = dataset.test!.rows.slice(0, Number(options["rouge-rows"]));
const text = (which: Row, column: string): string => String(which[column]);

async function load(variant: string): Promise<T5ForConditionalGeneration> {
  const rule = rules[variant];
  const dtype = rule ? "f32" : (variant as "f32" | "bf16" | "int8");
  const model = await T5ForConditionalGeneration.fromPretrained(options.model, { device, dtype });
  if (!rule) return model;
  for (const [name, x] of model.parameters()) {
    const rounding = rule(name);
    if (!rounding) continue;
    const values = (await x.data()) as Float32Array;
    device.write(x.storage, "f32", rounded(values, rounding, x.shape.at(-1)!));
  }
  return model;
}

interface Predictions {
  /** Mean over the label tokens. */
  readonly loss: number;
  /** The likeliest token of each. */
  readonly tokens: readonly number[];
}

/** Loss and likeliest tokens given the labels before. */
async function predict(model: T5ForConditionalGeneration): Promise<Predictions> {
  const examples = await preprocess({ rows: validation }, tokenizer, { maxLength: 512 });
  let [sum, count] = [0, 0];
  const tokens: number[] = [];
  for (let begin = 0; begin < examples.length; begin += 8) {
    const batch = seq2seqCollate(examples.slice(begin, begin + 8));
    const { loss, logits } = scope(() => noGrad(() => model.forward(batch)));
    const data = await logits.data();
    const width = logits.shape.at(-1)!;
    const labels = batch.labels.flatMap((each) => [...each]);
    const used = labels.filter((label) => label !== -100).length;
    sum += (await loss!.item()) * used;
    count += used;
    labels.forEach((label, i) => {
      if (label === -100) return;
      let best = i * width;
      for (let at = best + 1; at < (i + 1) * width; at++) if (data[at]! > data[best]!) best = at;
      tokens.push(best - i * width);
    });
    loss!.dispose();
    logits.dispose();
  }
  return { loss: sum / count, tokens };
}

async function scores(model: T5ForConditionalGeneration): Promise<string[]> {
  const dialogues = test.map((each) => text(each, "dialogue"));
  const summaries = await summarize(model, tokenizer, dialogues, { maxNewTokens: 60 });
  const references = test.map((each) => text(each, "summary"));
  const { rouge1, rouge2, rougeL } = rouge(summaries, references, { useStemmer: true });
  return [rouge1, rouge2, rougeL].map((score) => (100 * score).toFixed(2));
}

function bytesOf(model: T5ForConditionalGeneration): number {
  return [...model.parameters().values()].reduce((sum, x) => sum + byteLength(x.dtype, x.size), 0);
}

/** Evaluation losses before and after a run of an adapter, and its ROUGE. */
async function adapterRun(variant: string): Promise<string[]> {
  const model = await load(variant);
  addLora(model, new LoraConfig({ r: 16, loraAlpha: 32, targetModules: "all-linear" }));
  const before = await predict(model);
  const steps = Number(options["lora-steps"]);
  const rows = dataset.train!.rows.slice(0, 8 * steps);
  const trainer = new Trainer({
    model,
    args: {
      ...{ maxSteps: steps, perDeviceTrainBatchSize: 8, learningRate: 1e-3, seed: 42 },
      ...{
        outputDir: "gradloom-output/quantization",
        saveStrategy: "no",
        reportTo: "none",
        disableTqdm: true,
      },
    },
    trainDataset: await preprocess({ rows }, tokenizer, { maxLength: 512 }),
    collator: (batch) => seq2seqCollate(batch),
  });
  await trainer.train();
  const after = await predict(model);
  const line = [variant, before.loss.toFixed(4), after.loss.toFixed(4), ...(await scores(model))];
  model.dispose();
  return line;
}

function printRow(cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

const variants = options.variants.split(",");
if (Number(options["lora-steps"]) > 0) {
  printRow(["weights", "loss before", "after", "ROUGE-1", "ROUGE-2", "ROUGE-L"]);
  for (const variant of variants) printRow(await adapterRun(variant));
} else {
  printRow(["weights", "MB", "loss", "change", "same token", "ROUGE-1", "ROUGE-2", "ROUGE-L"]);
  let reference: Predictions | null = null;
  for (const variant of variants) {
    const model = await load(variant);
    const ours = await predict(model);
    const first = (reference ??= ours);
    const same = ours.tokens.filter((token, i) => token === first.tokens[i]).length;
    printRow([
      variant,
      rules[variant] ? "" : (bytesOf(model) / 1e6).toFixed(1),
      ours.loss.toFixed(4),
      `${(100 * (ours.loss / first.loss - 1)).toFixed(3)}%`,
      `${((100 * same) / ours.tokens.length).toFixed(2)}%`,
      ...(test.length > 0 ? await scores(model) : []),
    ]);
    model.dispose();
  }
}
await device.close();
