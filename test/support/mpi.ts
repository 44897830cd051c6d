// Runs a TypeScript file as several ranks under an installed MPI.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isFull } from "./full.ts";

export interface MpiMake {
  readonly name: string;
  /** The command that starts `ranks` processes. */
  launch(ranks: number): readonly string[];
}

const MAKES: readonly (MpiMake & { readonly command: string })[] = [
  {
    name: "Open MPI",
    command: "mpirun.openmpi",
    launch: (ranks) =>
      "mpirun.openmpi --allow-run-as-root --oversubscribe --bind-to none -np"
        .split(" ")
        .concat(String(ranks)),
  },
  {
    name: "MPICH",
    command: "mpirun.mpich",
    launch: (ranks) => ["mpirun.mpich", "-np", String(ranks)],
  },
];

/** What is installed here, under Debian's names. */
export const mpiMakes: readonly MpiMake[] = MAKES.filter(
  ({ command }) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0,
);

/** Where Debian has libraries. */
const LIBRARY_FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/** Of installed makes, those with a library of the standard ABI of MPI 5 (MPICH 5, Open MPI 6), and its path. */
export const standardAbi: readonly { readonly make: MpiMake; readonly library: string }[] =
  MAKES.filter(({ name }) => mpiMakes.some((make) => make.name === name)).flatMap((make) => {
    const file = `libmpi_abi_${make.command.replace("mpirun.", "")}.so.`;
    return LIBRARY_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.startsWith(file))
        .slice(0, 1)
        .map((name) => ({ make, library: join(folder, name) })),
    );
  });

/** The makes that a test is run under: all in a full run, else one, so that tests take turns by their numbers. */
export function makesOf(number: number): readonly MpiMake[] {
  return isFull ? mpiMakes : mpiMakes.slice(number % mpiMakes.length).slice(0, 1);
}

/** Title of tests that need MPI, with the reason where they are skipped. */
export function needsMpi(title: string): string {
  return mpiMakes.length > 0 ? title : `${title} (skipped: neither Open MPI nor MPICH installed)`;
}

export interface RanksResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What each rank reported, by rank (test/distributed/report.ts). */
  readonly results: readonly Readonly<Record<string, unknown>>[];
}

export interface RanksOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** After which all is killed, so that a hang fails the test and leaves no process behind. Default 200. */
  readonly seconds?: number;
  /** Sees all output so far, at each new piece of it. */
  readonly onOutput?: (stdout: string) => void;
}

const bundles = new Map<string, Promise<string>>();

/** test/distributed/`file` with all it imports in one file of JavaScript: a dozen ranks start in little time. */
export function bundled(file: string): Promise<string> {
  const known = bundles.get(file) ?? bundle(file);
  bundles.set(file, known);
  return known;
}

async function bundle(file: string): Promise<string> {
  const { build } = await import("esbuild");
  const folder = fileURLToPath(new URL("../../node_modules/.ranks/", import.meta.url));
  const outfile = `${folder}${process.pid}-${file.replace(/\.ts$/, ".mjs")}`;
  await build({
    entryPoints: [fileURLToPath(new URL(`../distributed/${file}`, import.meta.url))],
    ...{ bundle: true, platform: "node", format: "esm", target: "node20", outfile },
    external: ["koffi", "webgpu", "@huggingface/*", "hyparquet*", "csv-parse"],
    logLevel: "error",
  });
  process.on("exit", () => rmSync(outfile, { force: true }));
  return outfile;
}

/** Runs test/distributed/`file` with `args` as `ranks` processes; 0 runs it without a launcher. */
export async function runRanks(
  make: MpiMake | null,
  ranks: number,
  file: string,
  args: readonly string[] = [],
  { env = {}, seconds = 200, onOutput }: RanksOptions = {},
): Promise<RanksResult> {
  const script = await bundled(file);
  const [command, ...rest] = [
    ...(make?.launch(ranks) ?? []),
    ...[process.execPath, script, ...args],
  ];
  return new Promise((resolve, reject) => {
    const folder = mkdtempSync(join(tmpdir(), "gradloom-ranks-"));
    const variables = { ...process.env, ...QUIET, RANK_RESULTS: folder, ...env };
    const options = { env: variables, detached: true };
    const child = spawn(command!, rest, options);
    // The ranks are children of the launcher, or of its proxy: the whole session goes.
    const timer = setTimeout(() => killSession(child.pid!), seconds * 1000);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      onOutput?.(stdout);
    });
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      const results = resultsIn(folder);
      rmSync(folder, { recursive: true });
      resolve({ code, stdout, stderr, results });
    });
  });
}

/** Kills a process and everything below it, group by group. */
function killSession(pid: number): void {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const pairs = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const doomed = [pid];
  for (const parent of doomed) {
    doomed.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  }
  for (const each of doomed) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // gone already
    }
  }
}

/** Messages within a machine through shared memory alone: containers often forbid reading another process. */
const QUIET = { OMPI_MCA_btl_vader_single_copy_mechanism: "none", OMPI_MCA_plm_rsh_agent: "false" };

function resultsIn(folder: string): Record<string, unknown>[] {
  const found = readdirSync(folder).map(
    (name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Record<string, unknown>,
  );
  return found.sort((a, b) => Number(a.rank) - Number(b.rank));
}
