// Signals and errors at random moments of every command, on a pseudo-terminal: does the process end in time, with the right
// exit code and the terminal as it was, and can the run be taken up again? Needs dist/ (npm run build) and python3.
//
//   node scripts/signalTest.mjs [--moments 20] [--seed 1] [--command train] [--seconds 2]
//
// A moment at which the command was done already does not count: another one is tried, earlier. push, info and the download of a
// model speak with a Hub on this machine that is slow. Prints one JSON line; problems are in it by name.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    moments: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    command: { type: "string" },
    seconds: { type: "string", default: "2" },
  },
});
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const main = path("../dist/cli/main.js");
const CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
/** The first moments of Node itself, before the command has begun to listen, are the system's: milliseconds. */
const OF_NODE = 700;
/** Of a run that is long enough to be struck, on this machine. */
const LONGEST_BEGINNING = 4000;

/** A Hub that takes its time: 0.4 s an answer, half a minute a file, whichever way it goes. */
function slowHub() {
  const hub = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const later = (value) => setTimeout(() => response.end(JSON.stringify(value)), 400).unref();
    const file = /\/resolve\/[^/]+\/(.*)$/.exec(pathname)?.[1];
    if (request.method === "PUT") {
      request.on("data", () => {
        request.pause();
        setTimeout(() => request.resume(), 100).unref();
      });
      return;
    }
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      if (file !== undefined) {
        response.writeHead(200, { "content-length": HUB_FILES[file] });
        const drip = setInterval(() => response.write(" "), 30).unref();
        response.on("close", () => clearInterval(drip));
      } else if (pathname.includes("/revision/")) later({ ...REPOSITORY, id: "org/name" });
      else if (pathname.includes("/tree/"))
        later(
          Object.entries(HUB_FILES).map(([path, size]) => ({ type: "file", path, size, oid: OID })),
        );
      else if (pathname.endsWith("/create")) later({ url: `${endpoint}/org/name`, id: "org/name" });
      else if (pathname.includes("/preupload/"))
        later({
          files: JSON.parse(body).files.map(({ path, size }) => ({
            ...{ path, shouldIgnore: false, uploadMode: size > 100_000 ? "lfs" : "regular" },
          })),
        });
      else if (pathname.endsWith("/objects/batch"))
        later({
          objects: JSON.parse(body).objects.map(({ oid, size }) => ({
            ...{ oid, size, actions: { upload: { href: `${endpoint}/storage/${oid}` } } },
          })),
        });
      else later({});
    });
  });
  return hub;
}
const OID = "0123456789abcdef0123456789abcdef01234567";
const REPOSITORY = {
  sha: OID,
  private: false,
  lastModified: "2024-01-01T00:00:00.000Z",
  siblings: [],
};
const HUB_FILES = { "config.json": 1000, "model.safetensors": 1_000_000, "tokenizer.json": 1000 };
const hub = slowHub();
await new Promise((resolve) => hub.listen(0, "127.0.0.1", resolve));
const endpoint = `http://127.0.0.1:${hub.address().port}`;

const folder = mkdtempSync(join(tmpdir(), "gradloom-signals-"));
const dialogue = join(folder, "dialogue.txt");
writeFileSync(dialogue, "#Person1#: Hello. #Person2#: Hi.");
const env = {
  ...{ ...process.env, GRADLOOM_CACHE: join(folder, "cache"), TERM: "xterm" },
  ...{ HF_ENDPOINT: endpoint, HF_HUB_CACHE: join(folder, "hub"), HF_TOKEN: "hf_writer" },
};

const small = ["--device", "cpu", "--max-new-tokens", "400"];
const commands = {
  train: (out) => [
    ...["train", "--device", "cpu", "--threads", "1", "--output-dir", out, "--max-steps", "5000"],
    ...["--per-device-train-batch-size", "2", "--max-length", "64", "--logging-steps", "3"],
    ...["--eval-strategy", "steps", "--eval-steps", "10", "--max-eval-rows", "4"],
    ...[
      "--sample-rows",
      "1",
      "--max-new-tokens",
      "4",
      "--save-steps",
      "7",
      "--save-total-limit",
      "2",
    ],
  ],
  scoring: (out) => [
    ...["train", "--output-dir", out, "--max-steps", "1", "--max-train-rows", "8"],
    ...["--rouge-rows", "100", ...small],
  ],
  reproduce: (out) => [
    "reproduce",
    "--output",
    out,
    "--max-steps",
    "5000",
    "--rouge-rows",
    "2",
    ...small,
  ],
  evaluate: () => ["evaluate", ...small],
  summarize: () => ["summarize", "--max-new-tokens", "5000", "--device", "cpu", dialogue],
  stdin: () => ["summarize", "--device", "cpu"],
  push: () => ["push", path("../examples/model"), "org/name"],
  info: () => ["info", "--model", "org/name"],
  download: () => ["summarize", "--device", "cpu", "--model", "org/name", dialogue],
  devices: () => ["devices"],
};
const errors = {
  // A generation_config.json that is refused once a bar stands.
  "error in a bar": () => {
    const file = join(folder, "notUtf8.txt");
    writeFileSync(file, Buffer.from([0xff, 0xfe, 0x41]));
    return ["summarize", "--device", "cpu", file];
  },
};

/** mulberry32. */
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
 * Runs gradloom in a pseudo-terminal.
 * @param strike is given the function that orders, once the command runs
 */
function inTerminal(args, strike) {
  const child = spawn(
    "python3",
    [path("./pseudoTerminal.py"), "100", "30", process.execPath, main, ...args],
    {
      env,
      cwd: folder,
    },
  );
  const result = { text: "", struckAt: 0, savedAt: 0, report: "" };
  let timer;
  let begun = 0;
  child.stdout.on("data", (chunk) => {
    result.text += chunk;
    // A checkpoint that it says it saves may take longer.
    if (result.savedAt === 0 && /saved: /.test(result.text)) result.savedAt = performance.now();
  });
  child.stderr.on("data", (chunk) => {
    const isFirst = result.report === "";
    result.report += chunk;
    if (isFirst) begun = performance.now();
    if (isFirst) strike?.(order, (ms, what) => (timer = setTimeout(what, ms)));
  });
  const order = (text) => {
    result.struckAt = performance.now();
    child.stdin.write(`${text}\n`);
  };
  const limit = setTimeout(() => child.kill("SIGKILL"), 120_000);
  return new Promise((resolve) =>
    child.on("close", () => {
      clearTimeout(timer);
      clearTimeout(limit);
      const { code = "killed", sameSettings = true } = JSON.parse(
        result.report.trim().split("\n").at(-1) || "{}",
      );
      const { text, struckAt, savedAt } = result;
      const since = struckAt === 0 ? 0 : performance.now() - Math.max(struckAt, savedAt);
      const lasted = performance.now() - begun;
      resolve({ code, sameSettings, text, lasted, ms: since, struck: struckAt !== 0 });
    }),
  );
}

const lastIs = (text, on, off) => text.lastIndexOf(on) >= text.lastIndexOf(off);
const problems = [];
const slowest = {};
/** Moments at which each command was struck. */
const moments = {};
let resumed = 0;

/** @returns the command that goes on with the run, if it named one; or how long a run lasted that was done before the moment came */
async function check(name, how, make, strike, expected, out) {
  const { code, ms, text, sameSettings, ...rest } = await inTerminal(make(out), strike);
  if (strike && !rest.struck) return { lasted: rest.lasted };
  moments[name] = (moments[name] ?? 0) + 1;
  slowest[name] = Math.max(slowest[name] ?? 0, Math.round(ms));
  const fail = (what) =>
    problems.push(`${name}, ${how}: ${what}; ${JSON.stringify(text.slice(-300))}`);
  // A command that was done when the signal came is no problem.
  if (code !== expected && code !== 0) fail(`exit code ${code} and not ${expected}`);
  if (ms > 1000 * Number(values.seconds)) fail(`ended after ${Math.round(ms)} ms`);
  if (!sameSettings) fail("the terminal's settings changed");
  if (how.startsWith("hangup")) return {}; // there is no terminal any more to look at
  if (text.includes("\x1b[?25l")) fail("the cursor was hidden, which kill -9 would not undo");
  if (!lastIs(text, "\x1b[?7h", "\x1b[?7l")) fail("line wrap is off");
  if (/\n\s+at .*:\d+:\d+/.test(text)) fail("a stack trace");
  const command = /go on with: (.*)\r?\n/.exec(text)?.[1];
  const left = readdirSync(out).filter((name) => /^\.|\.tmp$/.test(name));
  if (left.length > 0) fail(`left ${left.join(", ")}`);
  return { command };
}

async function strikeAll(name, make, random) {
  let longest = LONGEST_BEGINNING;
  for (let i = 0, tries = 0; i < Number(values.moments); tries++) {
    if (tries > 3 * Number(values.moments)) {
      problems.push(`${name}: done before it could be struck, ${tries - i} of ${tries} times`);
      return;
    }
    const signal = Object.keys(CODES)[i % 3];
    const ways = {
      SIGINT: ["key 3", "signal INT"],
      SIGTERM: ["signal TERM"],
      SIGHUP: ["hangup", "signal HUP"],
    };
    const how = ways[signal][Math.floor(i / 3) % ways[signal].length];
    const at = OF_NODE + random() * longest;
    const out = mkdtempSync(join(folder, "out-"));
    const strike = (order, after) => after(at, () => order(how));
    const { command, lasted } = await check(
      name,
      `${how} after ${Math.round(at)} ms`,
      make,
      strike,
      CODES[signal],
      out,
    );
    if (lasted === undefined) i++;
    else longest = Math.max(50, Math.min(longest, lasted - OF_NODE));
    const checkpoints = readdirSync(out).filter((name) => name.startsWith("checkpoint-"));
    if (command && checkpoints.length > 0) {
      const short = `${command} --max-steps 1`.replace(
        / --rouge-rows \d+| --max-new-tokens \d+/g,
        "",
      );
      const again = await resume(`${short} --rouge-rows 1 --max-new-tokens 2`);
      if (again.code !== 0)
        problems.push(`${name}: ${short} gives ${again.code}; ${again.text.slice(-300)}`);
      else resumed++;
    }
    rmSync(out, { recursive: true });
  }
}

/** Runs the command that was printed, as a shell does. */
function resume(command) {
  const child = spawn("sh", ["-c", command], { env, cwd: folder });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  child.stderr.on("data", (chunk) => (text += chunk));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, text })));
}

const random = generator(Number(values.seed));
try {
  for (const [name, make] of Object.entries(commands)) {
    if (values.command === undefined || values.command === name)
      await strikeAll(name, make, random);
  }
  for (const [name, make] of Object.entries(errors)) {
    const out = mkdtempSync(join(folder, "out-"));
    if (values.command === undefined || values.command === name)
      await check(name, "an error", make, undefined, 1, out);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  hub.closeAllConnections();
  hub.close();
}
console.log(JSON.stringify({ moments, resumed, slowest, problems }));
if (problems.length > 0) process.exitCode = 1;
