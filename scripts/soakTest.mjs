// Long runs: whether memory, threads and handles stay where they were. Needs dist/ (npm run build). Prints one JSON line, and ends
// with code 1 where something grew.
//
//   node --expose-gc scripts/soakTest.mjs train --device cpu --count 5000 [--lengths fixed]
//   node --expose-gc scripts/soakTest.mjs devices --device webgpu --count 200
//
// `train` takes updates of a small T5 on rows of changing or fixed lengths, with logs, evaluations and checkpoints: heap and
// resident memory of the last tenth are compared with those of the third. V8 compiles functions all the while, those of a checkpoint
// after thousands of steps, and keeps their code in the heap. --warm-up N takes N updates before the first tenth, after which a
// process that lives long has compiled what it runs. --snapshots takes a snapshot of the heap before the third tenth and after the
// last one, and shows apart what belongs to the program and what to V8; it fills memory, so that resident memory does not count then.
// `devices` opens and closes devices with 256 MiB each, and compares
// threads, file descriptors and resident memory with those after the 10th.

import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { getHeapCodeStatistics, writeHeapSnapshot } from "node:v8";
import { openDevice, T5Config, T5ForConditionalGeneration, Trainer, zeros } from "../dist/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cpu" },
    count: { type: "string", default: "1000" },
    lengths: { type: "string", default: "changing" },
    "warm-up": { type: "string", default: "0" },
    snapshots: { type: "boolean", default: false },
  },
});
const count = Number(values.count);
const warmUp = Number(values["warm-up"]);
/** Largest growth of memory that counts as none. */
const FLAT = 0.02;

const open = () => openDevice(values.device, values.device === "cpu" ? { threads: 2 } : {});

/** What nodes of a snapshot are V8's own: code, feedback, hidden classes and lists of code that depends on them. */
const OF_V8 = ["code", "hidden", "object shape", "native", "synthetic"];

/** Bytes of the heap that are the program's (objects, texts, arrays, functions), and V8's. */
function owners(file) {
  const { nodes, snapshot } = JSON.parse(readFileSync(file, "utf8"));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  const bytes = { program: 0, v8: 0 };
  for (let i = 0; i < nodes.length; i += fields.length)
    bytes[OF_V8.includes(types[0][nodes[i + type]]) ? "v8" : "program"] += nodes[i + size];
  return bytes;
}

/** Memory after two collections: finalisers that the first one calls run between them. */
async function figures() {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const status = readFileSync("/proc/self/status", "utf8");
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)[1]);
  return {
    // Pages of the process's own. Those of files, as the program of Node, come and go as the system likes.
    rss: 1024 * (field("RssAnon") + field("RssShmem")),
    heapUsed: process.memoryUsage().heapUsed,
    // Machine code with what belongs to it; feedback and lists of dependent code are not counted here.
    code: getHeapCodeStatistics().code_and_metadata_size,
    ...{ threads: field("Threads"), handles: readdirSync("/proc/self/fd").length },
  };
}

const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
const mebibytes = (bytes) => Number((bytes / 2 ** 20).toFixed(1));

async function train() {
  const device = await open();
  const config = T5Config.fromJSON(
    {
      ...{ model_type: "t5", vocab_size: 128, d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4 },
      ...{ num_layers: 2, num_decoder_layers: 2, feed_forward_proj: "gated-gelu" },
      ...{ decoder_start_token_id: 0, dropout_rate: 0.1 },
    },
    { source: "soakTest" },
  );
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
  const ids = (length, row) => Array.from({ length }, (_, i) => 2 + ((row * 7 + i) % 120));
  const isFixed = values.lengths === "fixed";
  const rows = Array.from({ length: 200 }, (_, i) => ({
    inputIds: ids(isFixed ? 12 : 3 + (i % 17), i),
    labels: ids(isFixed ? 8 : 2 + (i % 11), i),
  }));
  const outputDir = await mkdtemp(join(tmpdir(), "gradloom-soak-"));
  const tenths = Array.from({ length: 10 }, () => []);
  const tenth = Math.ceil(count / 10);
  // Often enough for V8 to compile checkpoints and evaluations before the third tenth.
  const often = Math.max(1, Math.floor(tenth / 20));
  const snapshots = [];
  const begun = performance.now();
  await new Trainer({
    ...{ model, trainDataset: rows, evalDataset: rows.slice(0, 8) },
    args: {
      ...{
        outputDir,
        maxSteps: warmUp + count,
        perDeviceTrainBatchSize: 4,
        loggingSteps: 50,
        seed: 1,
      },
      ...{ evalStrategy: "steps", evalSteps: often, saveStrategy: "steps", saveSteps: often },
      ...{ saveTotalLimit: 2, disableTqdm: true },
    },
    callbacks: [
      {
        async onStepEnd(_args, { globalStep }) {
          const step = globalStep - warmUp;
          if (step <= 0 || step % Math.max(1, Math.floor(tenth / 10)) !== 0) return;
          const each = await figures();
          tenths[Math.floor((step - 1) / tenth)].push(each);
          if (step % tenth !== 0) return;
          if (values.snapshots && [2, 10].includes(step / tenth))
            snapshots.push(writeHeapSnapshot(join(outputDir, `${step}.heapsnapshot`)));
          const [resident, heap, code] = [each.rss, each.heapUsed, each.code].map(mebibytes);
          console.error(JSON.stringify({ globalStep, resident, heap, code }));
        },
      },
    ],
  }).train();
  const seconds = (performance.now() - begun) / 1000;
  const { tensors, bytes } = device.memory();
  model.dispose();
  const left = device.memory().tensors;
  await device.close();
  const owned = snapshots.map(owners);
  await rm(outputDir, { recursive: true });
  const growth = (key) => {
    const [third, last] = [2, 9].map((i) => mean(tenths[i].map((each) => each[key])));
    return Number((last / third - 1).toFixed(4));
  };
  const grown = { heap: growth("heapUsed"), resident: growth("rss") };
  return {
    ...{ seconds: Number(seconds.toFixed(1)), grown, tensors, bytes, left },
    resident: tenths.map((each) => mebibytes(mean(each.map(({ rss }) => rss)))),
    heap: tenths.map((each) => mebibytes(mean(each.map(({ heapUsed }) => heapUsed)))),
    code: tenths.map((each) => mebibytes(mean(each.map(({ code }) => code)))),
    ...(owned.length > 0 ? { owned } : {}),
    isFlat: isFlat(grown, owned) && left === 0,
  };
}

/** With snapshots, what is the program's counts; else all of the heap, and resident memory. */
function isFlat(grown, [before, after]) {
  if (after !== undefined) return after.program / before.program - 1 < FLAT;
  return grown.heap < FLAT && grown.resident < FLAT;
}

async function devices() {
  let tenth = null;
  const begun = performance.now();
  for (let i = 1; i <= count; i++) {
    const device = await open();
    const x = zeros([2 ** 26], { device }); // 256 MiB
    await device.sync();
    x.dispose();
    await device.close();
    if (i === 10) {
      await settle();
      tenth = await figures();
    }
  }
  await settle();
  const last = await figures();
  return {
    seconds: Number(((performance.now() - begun) / 1000).toFixed(1)),
    after10: { ...tenth, rss: mebibytes(tenth.rss), heapUsed: mebibytes(tenth.heapUsed) },
    last: { ...last, rss: mebibytes(last.rss), heapUsed: mebibytes(last.heapUsed) },
    isFlat:
      last.threads <= tenth.threads &&
      last.handles <= tenth.handles &&
      last.rss < tenth.rss * (1 + FLAT),
  };
}

/** Finalisers of closed devices run in turns of their own. */
async function settle() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const [what] = positionals;
const result = await { train, devices }[what]();
console.log(JSON.stringify({ what, ...values, count, ...result }));
process.exitCode = result.isFlat ? 0 : 1;
