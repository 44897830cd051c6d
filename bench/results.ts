// Results of the bench: printed, kept as JSON by machine, and shown as the tables of docs/internals/performance.md.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { peakFor, rateOf, type Peaks } from "./peaks/peaks.ts";

export interface KernelResult {
  readonly kernel: string;
  readonly shape: string;
  readonly flops: number;
  readonly bytes: number;
  /** Median of a run. */
  readonly milliseconds: number;
  /** Median absolute deviation from the median, in milliseconds. */
  readonly deviation: number;
  readonly samples: number;
}

export interface BenchReport {
  readonly machine: string;
  readonly device: string;
  readonly runtime: string;
  /** What was typed to get it. */
  readonly command: string;
  /** null where they are not measured on this device. */
  readonly peaks: Peaks | null;
  readonly results: readonly KernelResult[];
}

const folder = new URL("results/", import.meta.url);
const page = new URL("../docs/internals/performance.md", import.meta.url);
const [BEGIN, END] = ["<!-- bench: begin -->", "<!-- bench: end -->"];
const HEAD = ["kernel", "shape", "ms", "± ms", "rate", "of the peak"];

/** Rate by what binds the kernel: arithmetic where it has a count of operations, else memory. */
function row(result: KernelResult, peaks: Peaks | null): string[] {
  const { kernel, shape, flops, milliseconds, deviation } = result;
  const unit = flops > 0 ? "GFLOP/s" : "GB/s";
  const rate = rateOf(result);
  return [
    kernel,
    shape,
    milliseconds.toPrecision(3),
    deviation.toPrecision(2),
    `${(rate / 1e9).toPrecision(3)} ${unit}`,
    peaks === null ? "" : `${((100 * rate) / peakFor(result, peaks)).toFixed(0)}%`,
  ];
}

function peakLine(peaks: Peaks | null): string {
  if (peaks === null) return "Peaks are not measured on this device.";
  const [flops, bytes] = [peaks.flops, peaks.bytes].map((peak) => (peak / 1e9).toPrecision(3));
  const cached = Math.max(0, ...(peaks.copies ?? []).map(({ rate }) => rate / 1e9));
  const upTo = cached > 0 ? `, up to ${cached.toPrecision(3)} GB/s of one that caches hold` : "";
  return `Measured peaks: ${flops} GFLOP/s of multiply-adds in registers, ${bytes} GB/s of a copy in memory (read + written)${upTo}.`;
}

export function printResults({ machine, runtime, peaks, results }: BenchReport): void {
  console.log(`${machine}, ${runtime}\n${peakLine(peaks)}`);
  const rows = results.map((result) => row(result, peaks));
  console.table(rows.map((cells) => Object.fromEntries(HEAD.map((name, i) => [name, cells[i]]))));
}

/** Writes the machine's file, then the tables from the files of all machines. */
export async function saveResults(report: BenchReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = `${report.device} ${report.machine} ${report.runtime.split(".")[0]}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(report, null, 2)}\n`);
  const text = await readFile(page, "utf8");
  const [before, after] = [text.split(BEGIN)[0]!, text.split(END)[1]!];
  await writeFile(page, `${before}${BEGIN}\n\n${await tables()}\n${END}${after}`);
}

async function tables(): Promise<string> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
  const reports = await Promise.all(
    files.map(
      async (name) => JSON.parse(await readFile(new URL(name, folder), "utf8")) as BenchReport,
    ),
  );
  // Those of bench:gpu hold sections of another kind.
  return reports
    .filter(({ results }) => results !== undefined)
    .map(table)
    .join("\n");
}

function table({ machine, runtime, command, peaks, results }: BenchReport): string {
  const rows = results.map((result) => `| ${row(result, peaks).join(" | ")} |`);
  return [
    `### ${machine}, ${runtime}\n`,
    `\`${command}\`. ${peakLine(peaks)}\n`,
    `| ${HEAD.join(" | ")} |`,
    `| --- | --- | ---: | ---: | ---: | ---: |`,
    ...rows,
    "",
  ].join("\n");
}
