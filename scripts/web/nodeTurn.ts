// Node's turn in bench.ts, in a process of its own, for the page's worker starts with nothing compiled either: writes a
// summary several times, and trains with the arguments of the page. Prints the figures as JSON.
//
//   node --import ./scripts/example/runTypeScript.mjs scripts/web/nodeTurn.ts THREADS UPDATES FOLDER

import { setTimeout } from "node:timers/promises";
import {
  addLora,
  buildPrompt,
  loadDataset,
  LoraConfig,
  openDevice,
  preprocess,
  T5ForConditionalGeneration,
  Tokenizer,
  Trainer,
  type TrainingArgumentsInput,
} from "../../src/index.ts";
import { EXAMPLE_DIALOGUE } from "../../web/state/exampleDialogue.ts";
import { BATCH, median, PAUSE, WARM_UPS, WRITE, WRITES, type Turn } from "./benchWork.ts";

const [threads, updates] = process.argv.slice(2).map(Number) as [number, number];
const outputDir = process.argv[4]!;
const device = await openDevice("cpu", { threads });
const model = await T5ForConditionalGeneration.fromPretrained("examples/model", { device });
const tokenizer = await Tokenizer.fromPretrained("examples/model");

interface Written {
  readonly first: number;
  readonly tokensPerSecond: number;
}

async function write(): Promise<Written> {
  await setTimeout(PAUSE);
  const begun = performance.now();
  let first = 0;
  let tokens = 0;
  const streamer = (): void => {
    first ||= performance.now() - begun;
    tokens++;
  };
  const prompt = buildPrompt(EXAMPLE_DIALOGUE);
  const inputs = tokenizer.encode(prompt, { truncation: true, maxLength: 512 });
  await model.generate(inputs, { ...WRITE, streamer });
  return { first, tokensPerSecond: (1000 * tokens) / (performance.now() - begun) };
}

async function train(): Promise<number> {
  const { train } = await loadDataset("examples/data", { maxRows: { train: 2000 } });
  const trainDataset = await preprocess(train!, tokenizer);
  addLora(model, new LoraConfig({ r: 8, loraAlpha: 16, loraDropout: 0.05 }));
  const args: TrainingArgumentsInput = {
    ...{ maxSteps: updates, perDeviceTrainBatchSize: BATCH, learningRate: 1e-3, warmupRatio: 0.05 },
    // A checkpoint at the end, as the page has one.
    ...{ outputDir, saveStrategy: "steps", saveSteps: 10 * updates, saveTotalLimit: 1 },
    ...{ reportTo: "none", disableTqdm: true, loggingSteps: 5, includeNumInputTokensSeen: "all" },
  };
  const { metrics } = await new Trainer({ model, tokenizer, args, trainDataset }).train();
  return Number(metrics["train_samples_per_second"]);
}

for (let run = 0; run < WARM_UPS; run++) await write();
const written: Written[] = [];
for (let run = 0; run < WRITES; run++) written.push(await write());
const turn: Turn = {
  first: median(written.map(({ first }) => first)),
  tokensPerSecond: median(written.map(({ tokensPerSecond }) => tokensPerSecond)),
  samplesPerSecond: await train(),
};
await device.close();
console.log(JSON.stringify(turn));
