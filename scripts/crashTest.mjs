// Kills a training run with kill -9 again and again, resumes it each time, and compares it with an uninterrupted run:
// losses, gradient norms and weights must be the same, bit for bit. Needs dist/ (npm run build).
//
//   node scripts/crashTest.mjs [--steps 60] [--save-every 5] [--kills 20] [--seed 1]
//
// Every second kill waits until a checkpoint is being written and strikes within it. Prints one JSON line.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "60" },
    "save-every": { type: "string", default: "5" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    train: { type: "string" },
  },
});
const steps = Number(values.steps);
const saveEvery = Number(values["save-every"]);
const kills = Number(values.kills);

/** A small T5 with dropout on random rows, on one thread. Says on stdout when training begins and after each step. */
async function train(outputDir) {
  const { openDevice, T5Config, T5ForConditionalGeneration, Trainer } =
    await import("../dist/index.js");
  const device = await openDevice("cpu", { threads: 1 });
  const config = T5Config.fromJSON(
    {
      ...{ model_type: "t5", vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 64, num_heads: 4 },
      ...{ num_layers: 2, num_decoder_layers: 2, feed_forward_proj: "gated-gelu" },
      ...{ decoder_start_token_id: 0, dropout_rate: 0.1 },
    },
    { source: "crashTest" },
  );
  const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 7 });
  const trainDataset = Array.from({ length: 50 }, (_, i) => ({
    inputIds: Array.from({ length: 6 + (i % 5) }, (_, j) => 2 + ((7 * i + 13 * j) % 90)),
    labels: Array.from({ length: 4 + (i % 3) }, (_, j) => 2 + ((5 * i + 11 * j) % 90)),
  }));
  const trainer = new Trainer({
    model,
    trainDataset,
    args: {
      ...{ outputDir, maxSteps: steps, saveSteps: saveEvery, loggingSteps: 1, saveTotalLimit: 3 },
      ...{ perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 2, learningRate: 0.01 },
      ...{ warmupSteps: 5, disableTqdm: true },
    },
    callbacks: [
      {
        onTrainBegin: () => void process.stdout.write("begin\n"),
        onStepEnd: () => void process.stdout.write("step\n"),
      },
    ],
  });
  const found = await readdir(outputDir).catch(() => []);
  const resumeFromCheckpoint = found.some((name) => name.startsWith("checkpoint-"));
  await trainer.train({ resumeFromCheckpoint });
  await device.close();
}

/** mulberry32: the same moments for the same seed, as far as a clock allows. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Runs the training in a process of its own.
 * @param strike called for every line the process prints, with a function that kills it
 * @returns whether it was killed
 */
function life(outputDir, strike) {
  const flags = ["--train", outputDir, "--steps", String(steps), "--save-every", String(saveEvery)];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => child.kill("SIGKILL");
  child.stdout.on("data", (chunk) => {
    for (const line of chunk.toString().split("\n")) if (line !== "") strike(line, kill);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (signal === "SIGKILL") resolve(true);
      else if (code === 0) resolve(false);
      else reject(new Error(`crashTest: training failed with code ${code}`));
    });
  });
}

/** Kills after some steps and a moment more, or as soon as a checkpoint is being written. */
function assassin(outputDir, random, inCheckpoint) {
  let stepsLeft = Math.floor(random() * (saveEvery + 2));
  let watching = false;
  return (line, kill) => {
    if (inCheckpoint && !watching) {
      watching = true;
      const delay = random() * 12;
      const timer = setInterval(async () => {
        const names = await readdir(outputDir).catch(() => []);
        if (!names.some((name) => name.endsWith(".partial"))) return;
        clearInterval(timer);
        setTimeout(kill, delay);
      }, 1);
      timer.unref();
    } else if (!inCheckpoint && line === "step" && stepsLeft-- === 0)
      setTimeout(kill, random() * 30);
  };
}

/** What must be equal: the log without the clock, and the weights. */
async function outcome(outputDir) {
  const folder = join(outputDir, `checkpoint-${steps}`);
  const state = JSON.parse(await readFile(join(folder, "trainer_state.json"), "utf8"));
  const weights = await readFile(join(folder, "model.safetensors"));
  return { log: state.log_history, weights };
}

async function main() {
  const root = await mkdtemp(join(tmpdir(), "gradloom-crash-"));
  const random = generator(Number(values.seed));
  try {
    const whole = join(root, "whole");
    await life(whole, () => undefined);
    const expected = await outcome(whole);

    const outputDir = join(root, "killed");
    const left = { killed: 0, lives: 0, unfinished: 0 };
    while (left.killed < kills) {
      left.lives++;
      if (left.lives > 10 * kills) throw new Error("crashTest: too few kills hit a living process");
      const wasKilled = await life(outputDir, assassin(outputDir, random, left.lives % 2 === 0));
      if (!wasKilled) {
        // It finished first: begin anew, so that all kills hit a run.
        await rm(outputDir, { recursive: true });
        continue;
      }
      left.killed++;
      const names = await readdir(outputDir).catch(() => []);
      if (names.some((name) => name.endsWith(".partial"))) left.unfinished++;
    }
    await life(outputDir, () => undefined);
    const actual = await outcome(outputDir);
    const sameLog = JSON.stringify(actual.log) === JSON.stringify(expected.log);
    const sameWeights = actual.weights.equals(expected.weights);
    const losses = expected.log.map(({ loss }) => loss);
    console.log(
      JSON.stringify({
        ...{ steps, saveEvery, kills: left.killed, killedWhileSaving: left.unfinished },
        ...{ sameLog, sameWeights, firstLoss: losses[0], lastLoss: losses.at(-1) },
      }),
    );
    if (!sameLog || !sameWeights) process.exitCode = 1;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

if (values.train === undefined) await main();
else await train(values.train);
