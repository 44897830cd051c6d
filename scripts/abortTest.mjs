// Calls that are aborted at random moments, and calls side by side: memory, mode and results must be as if nothing had been. Needs dist/
// (npm run build). Prints one JSON line, and ends with code 1 where something was wrong.
//
//   node scripts/abortTest.mjs [--device cpu] [--aborts 500] [--overlaps 200] [--seed 1]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDevice, T5Config, T5ForConditionalGeneration, Trainer } from "../dist/index.js";

const { values } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    aborts: { type: "string", default: "500" },
    overlaps: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
  },
});
const outputDir = await mkdtemp(join(tmpdir(), "gradloom-abort-"));
const device = await openDevice(values.device, values.device === "cpu" ? { threads: 2 } : {});
const config = T5Config.fromJSON(
  {
    ...{ model_type: "t5", vocab_size: 128, d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4 },
    ...{ num_layers: 2, num_decoder_layers: 2, feed_forward_proj: "gated-gelu" },
    ...{ decoder_start_token_id: 0, dropout_rate: 0.3 },
  },
  { source: "abortTest" },
);
const ids = (length, row) => Array.from({ length }, (_, i) => 2 + ((row * 7 + i) % 120));
const rows = Array.from({ length: 40 }, (_, i) => ({
  inputIds: ids(3 + (i % 17), i),
  labels: ids(2 + (i % 11), i),
}));
const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
let state = Number(values.seed) >>> 0;
/** mulberry32, a generator of 32 bits of state. */
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const unhandled = [];
process.on("unhandledRejection", (error) => unhandled.push(String(error)));

const args = { outputDir, saveStrategy: "no", perDeviceTrainBatchSize: 4, disableTqdm: true };
const trainer = (more = {}, data = { evalDataset: rows.slice(0, 12) }) =>
  new Trainer({ model, ...data, args: { ...args, ...more } });
const batch = { inputIds: [ids(20, 3), ids(20, 9)] };
const generateWith = (options) => (signal) => model.generate(batch, { ...options, signal });
/** Calls that change nothing: a training with a learning rate of 0 is among them. */
const calls = {
  greedy: generateWith({ maxNewTokens: 16 }),
  beams: generateWith({ maxNewTokens: 10, numBeams: 4 }),
  sampling: generateWith({ maxNewTokens: 12, doSample: true, seed: 7, topK: 9 }),
  evaluate: async (signal) => (await trainer().evaluate(undefined, { signal })).eval_loss,
  predict: async (signal) => {
    const predicting = trainer({ predictWithGenerate: true, generationMaxLength: 6 });
    return (await predicting.predict(rows.slice(0, 8), { signal })).predictions;
  },
  train: async (signal) => {
    const settings = { learningRate: 0, maxSteps: 8, gradientAccumulationSteps: 2, seed: 3 };
    const run = trainer(settings, { trainDataset: rows });
    return (await run.train({ signal })).trainingLoss;
  },
};
const names = Object.keys(calls);
const expected = {};
const spans = {};
for (const name of names) {
  const begun = performance.now();
  expected[name] = JSON.stringify(await calls[name]());
  spans[name] = performance.now() - begun;
}
const base = device.memory();
const faults = [];

function check(where) {
  const { tensors, bytes } = device.memory();
  if (tensors !== base.tensors || bytes !== base.bytes) {
    faults.push(`${where}: ${tensors - base.tensors} tensors and ${bytes - base.bytes} bytes more`);
  }
  if (model.training) faults.push(`${where}: left in training mode`);
}

const tally = { aborted: 0, finished: 0, equal: 0, refused: 0 };
let slowest = 0;
for (let i = 0; i < Number(values.aborts); i++) {
  const name = pick(names);
  const controller = new AbortController();
  const reason = new Error(`abort ${i}`);
  let at = null;
  const abort = () => {
    at = performance.now();
    controller.abort(reason);
  };
  const timer = setTimeout(abort, random() * spans[name]);
  if (i % 25 === 0) abort();
  try {
    await calls[name](controller.signal);
    tally.finished++;
  } catch (error) {
    if (error === reason) tally.aborted++;
    else faults.push(`abort ${i} of ${name}: ${error.name}: ${error.message}`);
  }
  clearTimeout(timer);
  if (at !== null) slowest = Math.max(slowest, performance.now() - at);
  check(`abort ${i} of ${name}`);
  const other = pick(names);
  if (i % 10 === 0 && JSON.stringify(await calls[other]()) !== expected[other]) {
    faults.push(`abort ${i} of ${name}: ${other} gives another result`);
  }
}
for (let done = 0; done < Number(values.overlaps);) {
  const some = Array.from({ length: 2 + Math.floor(random() * 4) }, () => pick(names));
  const settled = await Promise.allSettled(some.map((name) => calls[name]()));
  for (const [i, { status, value, reason }] of settled.entries()) {
    const name = some[i];
    if (status === "fulfilled" && JSON.stringify(value) === expected[name]) tally.equal++;
    else if (
      status === "rejected" &&
      /must be .*one .*at a time|is being trained|trained/.test(reason.message)
    )
      tally.refused++;
    else faults.push(`${some.join(" + ")}: ${name}: ${reason ?? "another result"}`);
  }
  check(some.join(" + "));
  done += some.length;
}
model.dispose();
await device.close();
await rm(outputDir, { recursive: true, force: true });
const isRight = faults.length === 0 && unhandled.length === 0;
const found = { faults: faults.slice(0, 10), unhandled };
console.log(JSON.stringify({ ...values, ...tally, slowest: Math.round(slowest), ...found }));
process.exitCode = isRight ? 0 : 1;
