// How soon an HTTP server answers in a process that trains FLAN-T5-small's configuration on the cpu device, with and without
// `background`, and what that costs. A client in a process of its own asks every 25 ms; the two kinds of device take turns.
//
//   npm run bench:eventloop -- [--threads 2] [--steps 6] [--rounds 3]

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { openDevice } from "../src/kernels/openDevice.ts";
import { Trainer } from "../src/train/trainer.ts";
import { flanT5Small, median, trainingBatch } from "./flanT5Small.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    steps: { type: "string", default: "6" },
    rounds: { type: "string", default: "3" },
  },
});
const threads = Number(options.threads);
const maxSteps = Number(options.steps);

/** Asks until it is told to end, then prints the milliseconds that each answer took. */
const client = `
const http = require("node:http");
const agent = new http.Agent({ keepAlive: true });
const times = [];
let pending = 0, ending = false;
const finish = () => { if (ending && pending === 0) { console.log(JSON.stringify(times)); process.exit(0); } };
process.stdin.on("end", () => { ending = true; finish(); }).resume();
setInterval(() => {
  if (ending || pending >= 40) return; // a second without an answer: more connections would be refused
  const begun = performance.now();
  pending++;
  http.get({ port: Number(process.argv[1]), host: "127.0.0.1", agent }, (answer) => {
    answer.resume().on("end", () => { times.push(performance.now() - begun); pending--; finish(); });
  });
}, 25);
`;

const server = createServer((_request, response) => response.end("here"));
// No connection is closed because the loop stood still.
server.keepAliveTimeout = server.headersTimeout = server.requestTimeout = 0;
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

/** Answers' times in ms while `work` goes on. */
async function asked(work: () => Promise<unknown>): Promise<number[]> {
  const child = spawn(process.execPath, ["-e", client, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (part) => (text += String(part)));
  await new Promise((resume) => setTimeout(resume, 300));
  await work();
  child.stdin.end();
  await once(child, "close");
  return JSON.parse(text) as number[];
}

const { inputIds, attentionMask, labels } = trainingBatch();
const rows = inputIds.map((ids, i) => ({
  ...{ inputIds: ids, attentionMask: attentionMask[i]!, labels: labels[i]! },
}));

interface Side {
  readonly background: boolean;
  readonly train: () => Promise<unknown>;
  readonly secondsPerStep: number[];
  readonly answers: number[];
}

async function makeSide(background: boolean): Promise<Side> {
  const device = await openDevice("cpu", { threads, background });
  const model = flanT5Small(device);
  const train = (): Promise<unknown> =>
    new Trainer({
      model,
      trainDataset: rows,
      args: {
        ...{ outputDir: "unused", saveStrategy: "no", maxSteps, disableTqdm: true },
        ...{ perDeviceTrainBatchSize: 8, loggingSteps: 1000, learningRate: 1e-4 },
      },
    }).train();
  return { background, train, secondsPerStep: [], answers: [] };
}

const sides = [await makeSide(false), await makeSide(true)];
for (const { train } of sides) await train(); // warms up: compilers, allocators, pages
for (let round = 0; round < Number(options.rounds); round++) {
  for (const { train, secondsPerStep, answers } of sides) {
    const times = await asked(async () => {
      const begun = performance.now();
      await train();
      secondsPerStep.push((performance.now() - begun) / 1000 / maxSteps);
    });
    answers.push(...times);
  }
}
server.close();

const ms = (value: number): number => Math.round(value * 10) / 10;
console.table(
  sides.map(({ background, secondsPerStep, answers }) => {
    const sorted = answers.toSorted((a, b) => a - b);
    return {
      background,
      "s a step, median": ms(100 * median(secondsPerStep)) / 100,
      "s a step, best": ms(100 * Math.min(...secondsPerStep)) / 100,
      answers: sorted.length,
      "p50 ms": ms(median(sorted)),
      "p99 ms": ms(sorted[Math.floor(0.99 * sorted.length)]!),
      "most ms": ms(sorted.at(-1)!),
    };
  }),
);
const [plain, behind] = sides.map(({ secondsPerStep }) => secondsPerStep);
const cost = (of: (values: readonly number[]) => number): string =>
  `${(100 * (of(behind!) / of(plain!) - 1)).toFixed(1)}%`;
const best = (values: readonly number[]): number => Math.min(...values);
console.log(`cost of background: ${cost(median)} by medians, ${cost(best)} by the best rounds`);
process.exit(0);
