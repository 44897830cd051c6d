// The webgpu device on hardware: first whether it computes what it should, then how fast. Bundled into
// dist-bench/gpuBench.mjs, which needs Node and the package `webgpu` alone.
//
//   npm run bench:gpu -- [--quick] [--shared DIR] [--only matmul] [--adapter NAME] [--out DIR] [--minutes 6]
//
// --quick     small sizes, which a program that plays a GPU can do too (two minutes)
// --shared    folder that holds golden/, whose values are checked as well
// --only      the sections whose name has this in it
// --minutes   after which no further section begins; those left out are named. The first sections are the most important
// --out       where <adapter>.json goes; bench/results unless given

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { sectionsOf, type Work } from "./sections.ts";
import type { Figure } from "./speed.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    shared: { type: "string" },
    only: { type: "string", default: "" },
    adapter: { type: "string" },
    minutes: { type: "string", default: "6" },
    out: { type: "string", default: fileURLToPath(new URL("../bench/results", import.meta.url)) },
  },
});
const { quick } = options;
const deadline = performance.now() + 60_000 * Number(options.minutes);
if (!(deadline > 0)) throw new Error(`bench: --minutes must be a number, got ${options.minutes}`);

interface Section {
  readonly seconds: number;
  readonly passed?: string;
  readonly figures?: readonly Figure[];
  readonly error?: string;
}

async function open(): Promise<WebGpuDevice> {
  const adapter = options.adapter === undefined ? {} : { adapter: options.adapter };
  // Tuning is a section of its own.
  const device = await openDevice("webgpu", { ...adapter, tune: false });
  if (!(device instanceof WebGpuDevice)) throw new Error("bench: openDevice gave another device");
  return device;
}

async function run(work: Work, device: WebGpuDevice): Promise<Section> {
  const begun = performance.now();
  const seconds = (): number => (performance.now() - begun) / 1000;
  try {
    const result = await work(device);
    return typeof result === "string"
      ? { seconds: seconds(), passed: result }
      : { seconds: seconds(), figures: result };
  } catch (error) {
    return { seconds: seconds(), error: error instanceof Error ? error.message : String(error) };
  }
}

function show(name: string, { seconds, passed, error, figures }: Section): void {
  const result = error === undefined ? (passed ?? "") : `FAILED\n${error}`;
  console.log(`${name} (${seconds.toFixed(1)} s) ${result}`);
  if (!figures) return;
  console.table(
    figures.map(({ what, value, unit, beside = "" }) => ({
      what,
      value: Number(value.toPrecision(4)),
      unit,
      beside,
    })),
  );
}

let device = await open();
const { adapter } = device;
if (adapter.software && !quick) {
  await device.close();
  console.error(
    `bench:gpu: full sizes need a GPU, got ${adapter.name}, which a CPU plays. Run it with --quick.`,
  );
  process.exit(2);
}
console.log(`${adapter.name}, node ${process.versions.node}${quick ? ", quick" : ""}`);

const sections: Record<string, Section> = {};
/** Sections that there was no time for. */
const leftOut: string[] = [];
async function save(): Promise<string> {
  const report = {
    machine: adapter.name,
    device: "webgpu",
    runtime: `node ${process.versions.node}`,
    command: `npm run bench:gpu -- ${process.argv.slice(2).join(" ")}`.trim(),
    date: new Date().toISOString(),
    adapter: { ...adapter, features: [...adapter.features] },
    sections,
    leftOut,
  };
  const name = `${adapter.name}${quick ? " quick" : ""}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  await mkdir(options.out, { recursive: true });
  const path = join(options.out, `${name}.json`);
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  return path;
}

const wanted = sectionsOf({ quick, shared: options.shared ?? null }).filter(([name]) =>
  name.includes(options.only),
);
for (const [name, work] of wanted) {
  if (performance.now() > deadline) {
    leftOut.push(name);
    continue;
  }
  const section = await run(work, device);
  sections[name] = section;
  show(name, section);
  // After every section: what takes the process down loses nothing that was measured before.
  await save();
  if (section.error === undefined) continue;
  // A device that failed fails for good; the sections after it need another.
  await device.close();
  device = await open();
}
await device.close();
if (leftOut.length > 0) {
  console.log(`left out after ${options.minutes} minutes: ${leftOut.join(", ")}`);
}
console.log(`wrote ${await save()}`);
const failed = Object.keys(sections).filter((name) => sections[name]!.error !== undefined);
if (failed.length > 0) {
  console.error(`bench:gpu: every section must succeed, got failures in ${failed.join(", ")}.`);
  process.exit(1);
}
