// A model of what a step costs on n machines, fitted to what two of them took (bench/results/distributed.json), and drawn for 2
// to 256: prints the tables of docs/internals/measurements/distributed.md, and writes docs/images/scaling.svg.
//   node --import ./scripts/example/runTypeScript.mjs bench/distributed/costModel.ts
//
//   sum of b bytes over n ranks     min(ring, tree)
//     ring                          2 (n - 1) (a + b / (n B))
//     tree                          2 ceil(log2 n) a + 2 (n - 1) / n * b / B
//   step                            compute + max(s - hidden, 0), s = the sums of all buckets,
//                                   hidden = min(h s, what backward takes)
//
// with the latency a, bandwidth B (Thakur et al. 2005, "Optimization of Collective Communication Operations in MPICH", 4.5),
// and h, the part of the sums that overlapping hid on two machines.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { scalingChart, type Curve } from "./scalingChart.ts";

interface Sum {
  readonly bytes: number;
  readonly seconds: number;
}
interface Step {
  readonly ranks: readonly { readonly step: number; readonly wait: number }[];
  readonly overlap: boolean;
  readonly bytes: number;
  readonly lora: boolean;
}
/** What link.ts and step.ts printed, on two hosts, and step.ts as one process. */
interface Measured {
  readonly link: { readonly ranks: number; readonly sums: readonly Sum[] };
  readonly alone: Step;
  readonly steps: readonly Step[];
}

export interface Link {
  /** Seconds. */
  readonly latency: number;
  /** Bytes a second, each way. */
  readonly bandwidth: number;
}

const BUCKET = 8 * 2 ** 20;
/** Of a step's compute: two of the three products of a linear layer. */
const BACKWARD = 2 / 3;

/** Sums below are ruled by latency, and pass tc's bucket of 256 kB at the speed of memory. */
const LARGE = 2 ** 20;

/** Seconds = 2 a + b / B, the sum over two ranks: a from the shortest, B by least squares of relative errors of the large ones. */
export function fitLink(sums: readonly Sum[]): Link {
  const latency = Math.min(...sums.map(({ seconds }) => seconds)) / 2;
  let [xx, x] = [0, 0];
  for (const { bytes, seconds } of sums.filter((sum) => sum.bytes >= LARGE)) {
    const relative = bytes / (seconds - 2 * latency);
    xx += relative ** 2;
    x += relative;
  }
  return { latency, bandwidth: xx / x };
}

/** Seconds of the sum of `bytes` over n ranks. */
export function sumSeconds(bytes: number, n: number, { latency, bandwidth }: Link): number {
  const ring = 2 * (n - 1) * (latency + bytes / (n * bandwidth));
  const tree = 2 * Math.ceil(Math.log2(n)) * latency + (2 * (n - 1) * bytes) / (n * bandwidth);
  return Math.min(ring, tree);
}

export interface Work {
  /** Seconds of a step on one machine. */
  readonly compute: number;
  /** Bytes of gradients. */
  readonly bytes: number;
  /** Part of the sums that overlapping hides. */
  readonly hidden: number;
}

export function stepSeconds({ compute, bytes, hidden }: Work, n: number, link: Link): number {
  const buckets = Math.ceil(bytes / BUCKET);
  const sums = buckets * sumSeconds(bytes / buckets, n, link);
  return compute + sums - Math.min(hidden * sums, BACKWARD * compute);
}

const RANKS = [2, 4, 8, 16, 32, 64, 128, 256];
const results = new URL("../results/distributed.json", import.meta.url);
const { link, alone, steps } = JSON.parse(await readFile(results, "utf8")) as Measured;
const measuredLink = fitLink(link.sums);
const wait = (overlap: boolean): number => {
  const { ranks } = steps.find((step) => step.overlap === overlap && !step.lora)!;
  return ranks.reduce((sum, each) => sum + each.wait, 0) / ranks.length;
};
const hidden = 1 - wait(true) / wait(false);
const compute = alone.ranks[0]!.step;
const lora = steps.find((step) => step.overlap && step.lora)!;

console.log(
  `link: ${(1e6 * measuredLink.latency).toFixed(0)} µs, ${(measuredLink.bandwidth / 1e6).toFixed(0)} MB/s; ` +
    `overlapping hid ${(100 * hidden).toFixed(0)}% of ${wait(false).toFixed(2)} s; one process: ${compute.toFixed(2)} s`,
);
for (const { bytes, seconds } of link.sums) {
  const fitted = sumSeconds(bytes, 2, measuredLink);
  console.log(`| ${bytes} | ${(1e3 * seconds).toFixed(2)} | ${(1e3 * fitted).toFixed(2)} |`);
}

const links: readonly (readonly [name: string, link: Link])[] = [
  ["1 Gbit/s, as measured", measuredLink],
  ["10 Gbit/s, 50 µs", { latency: 50e-6, bandwidth: 1.1e9 }],
  ["100 Gbit/s, 5 µs", { latency: 5e-6, bandwidth: 11e9 }],
];
const all: Work = { compute, bytes: alone.bytes || steps[0]!.bytes, hidden };
const works: readonly (readonly [name: string, work: Work])[] = [
  ["all weights", all],
  ["all weights, 8 batches accumulated", { ...all, compute: 8 * compute }],
  ["LoRA, r = 32", { ...all, bytes: lora.bytes }],
];
const curves: Curve[] = [];
for (const [workName, work] of works) {
  for (const [linkName, over] of links) {
    const points = RANKS.map((n) => ({
      ranks: n,
      efficiency: work.compute / stepSeconds(work, n, over),
    }));
    curves.push({ work: workName, link: linkName, points });
    const cells = points.map(({ efficiency }) => `${(100 * efficiency).toFixed(0)}%`);
    console.log(`| ${workName} | ${linkName} | ${cells.join(" | ")} |`);
  }
}
const image = fileURLToPath(new URL("../../docs/images/scaling.svg", import.meta.url));
await writeFile(image, scalingChart(curves, RANKS));
