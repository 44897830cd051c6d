// Tries every reader of input from outside with damaged input, each in a process of its own that is ended when a case
// takes eight seconds or 2.5 GB:
//
//   node --import ./scripts/example/runTypeScript.mjs scripts/fuzzTest.ts [--cases 5000] [--seed 2] [--reader NAME] [--case N]
//
// Prints one JSON line a reader. --case runs a single case and prints its verdict.

import { fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runCase, watchProcess, type Verdict } from "../test/fuzz/harness.ts";
import { readers } from "../test/fuzz/readers/all.ts";

const HANG = 8000;
const MOST_MEMORY = 2.5e9;

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "5000" },
    seed: { type: "string", default: "2" },
    reader: { type: "string" },
    case: { type: "string" },
    from: { type: "string", default: "0" },
  },
});
const cases = Number(values.cases);
const seed = Number(values.seed);

interface Report {
  readonly number: number;
  readonly verdict?: Verdict;
  readonly peak?: number;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = await mkdtemp(join(base, "gradloom-fuzz-"));
  return work(folder).finally(() => rm(folder, { recursive: true, force: true }));
}

/** Cases of one reader, from a number on, told to the parent process. */
async function child(name: string, from: number, to: number): Promise<void> {
  const reader = readers.find((each) => each.name === name)!;
  watchProcess();
  await inFolder(async (folder) => {
    const tried = await reader.setUp(folder);
    for (let number = from; number < to; number++) {
      process.send?.({ number } satisfies Report);
      const verdict = await runCase(reader, tried, seed, number);
      const peak = 1024 * process.resourceUsage().maxRSS;
      if (process.send) process.send({ number, verdict, peak } satisfies Report);
      else console.log(number, verdict);
    }
    await tried.tearDown?.();
  });
}

async function tryReader(name: string): Promise<void> {
  const kinds = { accepted: 0, refused: 0 };
  const faults = new Map<string, { count: number; first: number }>();
  const note = (fault: string, number: number) => {
    const key = fault
      .replace(/"[^"]*"/g, '"…"')
      .replace(/\d+/g, "N")
      .slice(0, 300);
    const known = faults.get(key);
    faults.set(key, { count: (known?.count ?? 0) + 1, first: known?.first ?? number });
  };
  let [slowest, peak, next] = [0, 0, 0];
  while (next < cases) {
    next = await new Promise<number>((resolve) => {
      const options = ["--reader", name, "--from", String(next), "--cases", String(cases)];
      const process_ = fork(fileURLToPath(import.meta.url), [...options, "--seed", String(seed)], {
        execArgv: [...process.execArgv, "--max-old-space-size=1500"],
        env: { ...process.env, GRADLOOM_FUZZ_CHILD: "1" },
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      let [current, since] = [next - 1, Date.now()];
      const watch = setInterval(() => {
        const status = readFileSync(`/proc/${process_.pid}/status`, {
          encoding: "utf8",
          flag: "r",
        });
        const memory = 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
        const isHanging = current >= next && Date.now() - since > HANG;
        if (!isHanging && memory < MOST_MEMORY) return;
        note(isHanging ? "hang" : "memory", current);
        process_.kill("SIGKILL");
      }, 250);
      process_.on("message", ({ number, verdict, peak: now }: Report) => {
        [current, since] = [number, Date.now()];
        if (verdict === undefined) return;
        kinds[verdict.kind]++;
        slowest = Math.max(slowest, verdict.milliseconds);
        peak = Math.max(peak, now!);
        if (verdict.fault !== undefined) note(verdict.fault, number);
      });
      process_.on("exit", (code, signal) => {
        clearInterval(watch);
        if (code !== 0 && signal !== "SIGKILL") note(`ended with ${code ?? signal}`, current);
        resolve(code === 0 ? cases : current + 1);
      });
    });
  }
  const found = [...faults].map(([fault, { count, first }]) => ({ fault, count, first }));
  const figures = { slowest: Math.round(slowest), peak: `${Math.round(peak / 1e6)} MB` };
  console.log(JSON.stringify({ reader: name, seed, cases, ...kinds, ...figures, faults: found }));
  if (found.length > 0) process.exitCode = 1;
}

if (values.case !== undefined) {
  await child(values.reader!, Number(values.case), Number(values.case) + 1);
} else if (process.env["GRADLOOM_FUZZ_CHILD"] === "1") {
  await child(values.reader!, Number(values.from), cases);
  process.exit(0);
} else {
  for (const { name } of readers) {
    if (values.reader === undefined || values.reader === name) await tryReader(name);
  }
}
