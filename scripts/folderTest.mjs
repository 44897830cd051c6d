// Two and three processes train into one output folder at once: one trains on, the others are refused by name, and no
// checkpoint is mixed, empty or gone. Every third round finds the lock of a process that is gone. Somebody's own hidden files
// in the folder must stay as they are. Needs dist/ (npm run build).
//
//   node scripts/folderTest.mjs [--rounds 50]
//
// Prints one JSON line.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    train: { type: "string" },
    mark: { type: "string" },
  },
});
const STEPS = 6;

/** Weights that tell who wrote them: all are `mark`, and the learning rate is 0. */
async function train(outputDir, mark) {
  const { openDevice, T5Config, T5ForConditionalGeneration, Trainer } =
    await import("../dist/index.js");
  const device = await openDevice("cpu", { threads: 1 });
  const config = T5Config.fromJSON({
    ...{ vocab_size: 96, d_model: 16, d_kv: 8, d_ff: 32, num_heads: 2, num_layers: 1 },
    decoder_start_token_id: 0,
  });
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: mark });
  for (const x of model.parameters().values()) {
    device.write(x.storage, "f32", new Float32Array(x.size).fill(mark));
  }
  const trainDataset = Array.from({ length: 20 }, (_, i) => ({
    inputIds: [2 + i, 3, 4, 1],
    labels: [5, 6, 1],
  }));
  const args = {
    ...{ outputDir, maxSteps: STEPS, saveSteps: 1, seed: mark, learningRate: 0 },
    ...{ perDeviceTrainBatchSize: 1, disableTqdm: true, saveTotalLimit: 3 },
  };
  process.stdout.write("ready\n");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  await new Trainer({ model, trainDataset, args }).train();
  process.exit(0);
}

/** @returns a child that waits for a line, and how it ended */
function start(outputDir, mark) {
  const flags = ["--train", outputDir, "--mark", String(mark)];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...flags]);
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const ready = new Promise((resolve) => child.stdout.once("data", resolve));
  const ended = new Promise((resolve) =>
    child.on("close", (code) => resolve({ code, stderr, mark })),
  );
  return { ready, ended, go: () => child.stdin.end("go\n") };
}

/** Who wrote the parts of a checkpoint. */
function writers(folder) {
  const json = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const weights = readFileSync(join(folder, "model.safetensors"));
  const begin = 8 + Number(weights.readBigUInt64LE(0));
  for (const name of ["optimizer.safetensors", "scheduler.json", "running_loss.json"]) {
    readFileSync(join(folder, name));
  }
  const state = json("trainer_state.json");
  return {
    marks: [
      json("training_args.json").seed,
      json("rng_state.json").dropout.seed,
      Math.round(weights.readFloatLE(begin)),
      Math.round(weights.readFloatLE(weights.length - 4)),
    ],
    step: state.global_step,
  };
}

async function main() {
  const rounds = Number(values.rounds);
  const root = mkdtempSync(join(tmpdir(), "gradloom-folder-"));
  const result = { rounds, processes: 0, trained: 0, refused: 0, checkpoints: 0, mixed: 0 };
  const unexpected = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const out = join(root, String(round));
      mkdirSync(join(out, ".letters.partial"), { recursive: true });
      writeFileSync(join(out, ".letters.partial", "a"), "mine");
      if (round % 3 === 2) {
        const gone = {
          pid: 2 ** 30,
          host: hostname(),
          processStart: "1",
          since: "then",
          id: "gone",
        };
        const pidNamespace = await namespaceOfPids();
        writeFileSync(join(out, ".gradloom.lock"), JSON.stringify({ ...gone, pidNamespace }));
      }
      const children = Array.from({ length: 2 + (round % 2) }, (_, i) => start(out, i + 1));
      await Promise.all(children.map(({ ready }) => ready));
      for (const { go } of children) go();
      const ends = await Promise.all(children.map(({ ended }) => ended));
      result.processes += ends.length;
      const done = ends.filter(({ code }) => code === 0);
      const refused = ends.filter(({ stderr }) => stderr.includes("must be of one run at a time"));
      result.trained += done.length;
      result.refused += refused.length;
      // One may begin when another is done already; then both train, one after the other.
      if (done.length < 1 || done.length + refused.length !== ends.length) {
        unexpected.push(...ends.map(({ code, stderr }) => `${code}: ${stderr.slice(0, 200)}`));
      }
      const names = readdirSync(out);
      for (const name of names.filter((name) => /^checkpoint-\d+$/.test(name))) {
        result.checkpoints++;
        try {
          const { marks, step } = writers(join(out, name));
          if (new Set(marks).size > 1 || `checkpoint-${step}` !== name) result.mixed++;
        } catch (error) {
          unexpected.push(`${name}: ${error.message}`);
        }
      }
      const hidden = names.filter((name) => name.startsWith("."));
      if (hidden.join() !== ".letters.partial") unexpected.push(`left ${hidden.join(", ")}`);
      if (readFileSync(join(out, ".letters.partial", "a"), "utf8") !== "mine") {
        unexpected.push("a foreign file changed");
      }
      if (!names.includes(`checkpoint-${STEPS}`)) unexpected.push("the last checkpoint is missing");
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  console.log(JSON.stringify({ ...result, unexpected }));
  if (result.mixed > 0 || unexpected.length > 0) process.exitCode = 1;
}

async function namespaceOfPids() {
  const { readlink } = await import("node:fs/promises");
  return readlink("/proc/self/ns/pid").catch(() => "");
}

if (values.train === undefined) await main();
else await train(values.train, Number(values.mark));
