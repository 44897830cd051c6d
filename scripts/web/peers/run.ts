// Summaries in one Chromium: gradloom beside transformers.js (onnxruntime-web on WebAssembly), each in a worker of its own with
// the same threads, taking turns. Greedy, a prompt of 200 tokens; the first token, and tokens a second with the prompt included.
//
//   npm run bench:browser -- MODEL [--threads 2] [--turns 5] [--tokens 128] [--sides "gradloom f32,gradloom int8"]
//
// MODEL is a folder as those for transformers.js on the Hub, with its safetensors file beside: config.json,
// generation_config.json, model.safetensors, onnx/encoder_model.onnx, onnx/decoder_model_merged.onnx, and both _quantized.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, extname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { startChromium } from "../../../test/support/chromium.ts";
import { median } from "../../../bench/flanT5Small.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
    tokens: { type: "string", default: "128" },
    sides: { type: "string", default: "" },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("bench: name the model's folder");
const [threads, turns, tokens] = [options.threads, options.turns, options.tokens].map(Number) as [
  number,
  number,
  number,
];
const PROMPT = Array.from({ length: 200 }, (_, i) => 2 + ((i * 104729) % 30000));
const PAUSE_MS = 100;

interface Side {
  readonly name: string;
  readonly script: "gradloom" | "transformersJs";
  readonly dtype: string;
}

const SIDES: readonly Side[] = [
  { name: "gradloom f32", script: "gradloom", dtype: "f32" },
  { name: "gradloom int8", script: "gradloom", dtype: "int8" },
  { name: "transformers.js fp32", script: "transformersJs", dtype: "fp32" },
  { name: "transformers.js q8", script: "transformersJs", dtype: "q8" },
];

interface Written {
  readonly written: readonly number[];
  readonly first: number;
  readonly milliseconds: number;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const require = createRequire(import.meta.url);
/** What `npm run bench:peers` compares with, too. */
const PEERS = here("../../../bench/peers/node_modules");
const transformers = join(PEERS, "@huggingface/transformers");
const ort = dirname(createRequire(join(transformers, "index.js")).resolve("onnxruntime-web"));

async function bundle(): Promise<ReadonlyMap<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [here("gradloom.mjs"), here("transformersJs.mjs")],
    ...{ bundle: true, format: "esm", splitting: true, minify: true, target: "es2022" },
    ...{ write: false, outdir: "bundle", logLevel: "error" },
    nodePaths: [PEERS],
  });
  return new Map(outputFiles.map(({ path, text }) => [posix.basename(path), text]));
}

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

function sendFile(response: ServerResponse, path: string): void {
  if (!existsSync(path)) return void response.writeHead(404).end();
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  const size = { "content-length": statSync(path).size };
  response.writeHead(200, { ...ISOLATED, ...size, "content-type": type });
  createReadStream(path).pipe(response);
}

async function serve(): Promise<{ readonly url: string; close(): void }> {
  const scripts = await bundle();
  const server = createServer(({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://bench");
    const script = scripts.get(posix.basename(pathname));
    const send = (type: string, text: string): void =>
      void response.writeHead(200, { ...ISOLATED, "content-type": type }).end(text);
    if (pathname === "/") send("text/html", "<!doctype html><title>bench</title>");
    else if (script !== undefined) send("text/javascript", script);
    else if (pathname.startsWith("/ort/")) sendFile(response, join(ort, posix.basename(pathname)));
    else
      sendFile(response, join(resolve(folder!), posix.normalize(pathname.slice("/model".length))));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

interface Bench {
  workers?: Map<string, Worker>;
}

/** Posts to a side's worker, which is started first, and waits for what it posts back. */
async function ask<T>(page: Page, { name, script }: Side, message: object): Promise<T> {
  const answer = await page.evaluate(
    ({ name, script, message }) => {
      const bench = globalThis as Bench;
      const workers = (bench.workers ??= new Map());
      const worker = workers.get(name) ?? new Worker(`/bundle/${script}.js`, { type: "module" });
      workers.set(name, worker);
      return new Promise<unknown>((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent) => resolve(data);
        worker.onerror = ({ message }: ErrorEvent) => reject(new Error(message));
        worker.postMessage(message);
      });
    },
    { name, script, message },
  );
  const { error } = answer as { readonly error?: string };
  if (error !== undefined) throw new Error(`${name}: ${error}`);
  return answer as T;
}

const wanted = options.sides === "" ? null : options.sides.split(",");
const sides = SIDES.filter(({ name }) => wanted === null || wanted.includes(name));
const site = await serve();
const browser = await startChromium();
if (typeof browser === "string") throw new Error(browser);
const page = await browser.newPage();
await page.goto(site.url);
for (const side of sides) {
  const model = `${site.url}/model/`;
  await ask(page, side, { options: { threads, dtype: side.dtype, model } });
}

const results = new Map<string, Written[]>(sides.map(({ name }) => [name, []]));
for (let turn = -1; turn < turns; turn++) {
  for (const side of sides) {
    await page.waitForTimeout(PAUSE_MS);
    const result = await ask<Written>(page, side, { ids: PROMPT, tokens });
    if (result.written.length !== tokens) {
      throw new Error(`${side.name}: must write ${tokens} tokens, got ${result.written.length}`);
    }
    if (turn >= 0) results.get(side.name)!.push(result);
  }
}

const { version } = require(join(transformers, "package.json")) as { readonly version: string };
console.log(
  `Chromium ${browser.version()}, transformers.js ${version}, ${threads} threads, ${turns} turns, ${tokens} tokens`,
);
const expected = results.get(sides[0]!.name)![0]!.written;
console.table(
  sides.map(({ name }) => {
    const runs = results.get(name)!;
    const different = runs[0]!.written.findIndex((token, i) => token !== expected[i]);
    return {
      side: name,
      "first token, ms": median(runs.map(({ first }) => first)).toFixed(0),
      "tokens/s": median(runs.map(({ milliseconds }) => (1000 * tokens) / milliseconds)).toFixed(1),
      [`tokens as ${sides[0]!.name}`]: different < 0 ? tokens : different,
    };
  }),
);
await browser.close();
site.close();
