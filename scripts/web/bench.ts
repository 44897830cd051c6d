// The page in Chromium beside Node on the same machine and threads, taking turns: time from click to first token, tokens a second
// of a summary, and training samples a second. Ratios are Chromium's speed over Node's.
//
//   npm run build:web && node --import ./scripts/example/runTypeScript.mjs scripts/web/bench.ts [--threads 2] [--turns 5] [--updates 40]

import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
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
import { startChromium } from "../../test/support/chromium.ts";
import { PageDriver } from "../../test/web/driver.ts";
import { servePage } from "../../test/web/site.ts";
import { longTasks, watchLongTasks } from "../../test/web/longTasks.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
    updates: { type: "string", default: "40" },
  },
});
const threads = Number(options.threads);
const updates = Number(options.updates);
const BATCH = 8;
/** Long enough to measure; sampling at this temperature rarely ends early, and both sides draw the same tokens. */
const WRITE = { maxNewTokens: 256, doSample: true, temperature: 5, topK: 0, topP: 1, seed: 1 };

interface Turn {
  /** Milliseconds from the call to the first token. */
  readonly first: number;
  readonly tokensPerSecond: number;
  readonly samplesPerSecond: number;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function inNode(dialogue: string): Promise<Turn> {
  const device = await openDevice("cpu", { threads });
  const model = await T5ForConditionalGeneration.fromPretrained("examples/model", { device });
  const tokenizer = await Tokenizer.fromPretrained("examples/model");
  await write(dialogue); // compiles, and touches memory
  const { first, tokensPerSecond } = await write(dialogue);
  const { train } = await loadDataset("examples/data", { maxRows: { train: 2000 } });
  const trainDataset = await preprocess(train!, tokenizer);
  addLora(model, new LoraConfig({ r: 8, loraAlpha: 16, loraDropout: 0.05 }));
  const args: TrainingArgumentsInput = {
    ...{ maxSteps: updates, perDeviceTrainBatchSize: BATCH, learningRate: 1e-3, warmupRatio: 0.05 },
    saveStrategy: "no",
    ...{ reportTo: "none", disableTqdm: true, loggingSteps: 5 },
  };
  const { metrics } = await new Trainer({ model, tokenizer, args, trainDataset }).train();
  await device.close();
  return { first, tokensPerSecond, samplesPerSecond: Number(metrics["train_samples_per_second"]) };

  async function write(text: string): Promise<Pick<Turn, "first" | "tokensPerSecond">> {
    const begun = performance.now();
    let first = 0;
    let tokens = 0;
    const streamer = (): void => {
      first ||= performance.now() - begun;
      tokens++;
    };
    const inputs = tokenizer.encode(buildPrompt(text), { truncation: true, maxLength: 512 });
    await model.generate(inputs, { ...WRITE, streamer });
    return { first, tokensPerSecond: (1000 * tokens) / (performance.now() - begun) };
  }
}

async function inPage(driver: PageDriver): Promise<Turn> {
  await driver.show("Summarise");
  await driver.choose("Decoding", "Sampling");
  for (const [label, value] of [
    ["Most new tokens", WRITE.maxNewTokens],
    ["Temperature", WRITE.temperature],
    ["Top k", WRITE.topK],
    ["Top p", WRITE.topP],
    ["Seed", WRITE.seed],
  ] as const) {
    await driver.fill(label, value);
  }
  for (let run = 0; run < 2; run++) {
    await driver.press("Summarise");
    await driver.until("speed", /tokens in/);
  }
  const speed = await driver.text("speed");
  const [, tokensPerSecond] = /([\d,.]+) tokens\/s/.exec(speed)!;
  const [, first] = /first after (\d+) ms/.exec(speed)!;

  await driver.show("Fine-tune");
  await driver.fill("Updates", updates);
  await driver.page.getByText("More arguments").click();
  await driver.fill("Rows to evaluate", 0);
  await driver.fill("Updates between checkpoints", 10 * updates);
  await driver.page.getByText("More arguments").click();
  await driver.press("Train");
  await driver.untilStep(1);
  await driver.page
    .getByTestId("run-status")
    .filter({ hasText: /^Done$/ })
    .waitFor({ timeout: 600_000 });
  await driver.show("Take along");
  const metrics = await driver.trainMetrics();
  return {
    first: Number(first),
    tokensPerSecond: Number(tokensPerSecond!.replace(",", "")),
    samplesPerSecond: metrics["train_samples_per_second"]!,
  };
}

const { test } = await loadDataset("examples/data", { maxRows: { test: 1 } });
const dialogue = test!.rows[0]!["dialogue"]!;
const site = await servePage(fileURLToPath(new URL("../../dist-web", import.meta.url)));
const browser = await startChromium();
if (typeof browser === "string") throw new Error(browser);

const turns: { readonly node: Turn; readonly page: Turn; readonly longest: number }[] = [];
for (let turn = 0; turn < Number(options.turns); turn++) {
  const node = await inNode(dialogue);
  const query = `?device=cpu&threads=${threads}`;
  const driver = await PageDriver.open(browser, site.url, { query });
  await watchLongTasks(driver.page);
  const page = await inPage(driver);
  turns.push({ node, page, longest: Math.max(0, ...(await longTasks(driver.page))) });
  await driver.page.context().close();
}
await browser.close();
site.close();

for (const [title, key, isTime] of [
  ["first token, ms", "first", true],
  ["tokens/s", "tokensPerSecond", false],
  ["training samples/s", "samplesPerSecond", false],
] as const) {
  const [node, page] = (["node", "page"] as const).map((side) =>
    median(turns.map((each) => each[side][key])),
  ) as [number, number];
  const ratio = isTime ? node / page : page / node;
  console.log(
    `${title}: Node ${node.toFixed(1)}, page ${page.toFixed(1)}, ratio ${ratio.toFixed(2)}`,
  );
}
console.log(
  `longest task on the page's main thread: ${Math.max(...turns.map(({ longest }) => longest))} ms (0: none above 50)`,
);
