// A page over the package, built by each bundler with no setting that is there for the library, and run in Chromium.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { isFull } from "../support/full.ts";
import { absolutePath } from "../support/sources.ts";

/** Kept between runs: npm takes longer than the bundlers. */
const TOOLS = join(tmpdir(), "gradloom-bundlers");
const PACKAGES = ["webpack@5", "vite", "rollup@4", "@rollup/plugin-node-resolve"].concat(
  "@rollup/plugin-commonjs",
);

const PAGE = `
import { loadDataset, matmul, openDevice, T5ForConditionalGeneration, tensor, Tokenizer, Trainer } from "gradloom";
globalThis.run = async () => {
  const root = await navigator.storage.getDirectory();
  const stream = await (await root.getFileHandle("rows.csv", { create: true })).createWritable();
  await stream.write("dialogue,summary\\n#Person1#: Hi.,A greeting.\\n");
  await stream.close();
  const { train } = await loadDataset("rows.csv");
  const device = await openDevice("cpu", { threads: 1 });
  const x = tensor([[1, 2], [3, 4]], undefined, { device });
  const product = [...(await matmul(x, x).data())];
  return { product, rows: train.rows, names: [T5ForConditionalGeneration, Tokenizer, Trainer].map((c) => typeof c) };
};
`;
const ANSWER = {
  product: [7, 10, 15, 22],
  rows: [{ dialogue: "#Person1#: Hi.", summary: "A greeting." }],
  names: ["function", "function", "function"],
};

/** Builds `folder`/entry.js to `folder`/out/entry.js. @returns warnings */
type Bundler = (folder: string) => Promise<readonly string[]>;

const tool = async <T>(name: string): Promise<T> => {
  const path = createRequire(join(TOOLS, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as T;
};

interface Webpack {
  default(
    options: object,
    done: (
      error: Error | null,
      stats: {
        toJson(what: object): Record<"errors" | "warnings", { message: string }[]>;
      },
    ) => void,
  ): void;
}
interface Rollup {
  rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>;
}
interface Plugin {
  default(options?: object): object;
}

const bundlers: Readonly<Record<string, Bundler>> = {
  async esbuild(folder) {
    const { warnings } = await build({
      ...{ absWorkingDir: folder, entryPoints: ["entry.js"], outdir: "out" },
      ...{ bundle: true, format: "esm", splitting: true, logLevel: "silent" },
    });
    return warnings.map(({ text }) => text);
  },
  async webpack(folder) {
    const { default: webpack } = await tool<Webpack>("webpack");
    const output = { path: join(folder, "out"), filename: "entry.js" };
    const shown = { all: false, errors: true, warnings: true };
    const options = { mode: "production", context: folder, entry: "./entry.js", output };
    const found = await new Promise<Record<"errors" | "warnings", { message: string }[]>>(
      (done, fail) =>
        webpack({ ...options, target: "web", performance: false }, (error, stats) =>
          error ? fail(error) : done(stats.toJson(shown)),
        ),
    );
    return [...found.errors, ...found.warnings].map(({ message }) => message);
  },
  async vite(folder) {
    const { build } = await tool<{ build(options: object): Promise<unknown> }>("vite");
    const warnings: string[] = [];
    const note = (text: string) => void warnings.push(text);
    const logger = { info() {}, warn: note, warnOnce: note, error: note, clearScreen() {} };
    const output = { entryFileNames: "entry.js" };
    await build({
      ...{
        root: folder,
        base: "/out/",
        configFile: false,
        customLogger: { ...logger, hasErrorLogged: () => false },
      },
      build: {
        ...{ outDir: "out", chunkSizeWarningLimit: 1e6 },
        rollupOptions: { input: "index.html", output },
      },
    });
    return warnings;
  },
  async rollup(folder) {
    const { rollup } = await tool<Rollup>("rollup");
    const resolve = await tool<Plugin>("@rollup/plugin-node-resolve");
    const commonjs = await tool<Plugin>("@rollup/plugin-commonjs");
    const warnings: string[] = [];
    const bundle = await rollup({
      input: join(folder, "entry.js"),
      plugins: [resolve.default({ browser: true }), commonjs.default()],
      onwarn: ({ code, message }: { code: string; message: string }) => {
        // Dependencies have some; they are none of the page's.
        if (!["CIRCULAR_DEPENDENCY", "EVAL", "THIS_IS_UNDEFINED"].includes(code))
          warnings.push(message);
      },
    });
    await bundle.write({ dir: join(folder, "out"), format: "es" });
    return warnings;
  },
};

function installTools(): string | undefined {
  if (!isFull) return "npm run test:full";
  try {
    if (!existsSync(join(TOOLS, "node_modules/@rollup/plugin-commonjs"))) {
      const flags = ["--prefix", TOOLS, "--no-audit", "--no-fund", "--silent", "--ignore-scripts"];
      execFileSync("npm", ["install", ...flags, ...PACKAGES], {
        stdio: "ignore",
        timeout: 300_000,
      });
    }
    return undefined;
  } catch {
    return "npm cannot install the bundlers here";
  }
}

const missing = installTools();
const browser = missing === undefined ? await startChromium() : missing;

describe.skipIf(typeof browser === "string")("a page", { timeout: 300_000 }, () => {
  let folder: string;
  let url: string;
  const server = createServer((request, response) => {
    const name = new URL(request.url!, "http://page").pathname;
    if (name.endsWith("/")) {
      const html = '<!doctype html><script type="module" src="/out/entry.js"></script>';
      return response.writeHead(200, { "content-type": "text/html" }).end(name === "/" ? html : "");
    }
    readFile(join(folder, name)).then(
      (text) => response.writeHead(200, { "content-type": "text/javascript" }).end(text),
      () => response.writeHead(404).end(),
    );
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gradloom-page-"));
    await writeFile(join(folder, "package.json"), '{ "type": "module", "private": true }');
    await writeFile(join(folder, "entry.js"), PAGE);
    await writeFile(join(folder, "index.html"), '<script type="module" src="/entry.js"></script>');
    await mkdir(join(folder, "node_modules"));
    await symlink(absolutePath("."), join(folder, "node_modules/gradloom"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    if (typeof browser !== "string") await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(bundlers))("is built by %s without a word, and runs", async (name) => {
    await rm(join(folder, "out"), { recursive: true, force: true });
    const warnings = await bundlers[name]!(folder);
    expect(warnings).toEqual([]);
    for (const file of await readdir(join(folder, "out"), { recursive: true })) {
      if (!file.endsWith(".js")) continue;
      const text = await readFile(join(folder, "out", file), "utf8");
      expect(text, file).not.toMatch(/(?:from|import|import\(|require\()\s*["']node:/);
    }
    if (typeof browser === "string") return;
    const page = await browser.newPage();
    await page.goto(`${url}/`);
    await page.waitForFunction("globalThis.run");
    expect(await page.evaluate("run()")).toEqual(ANSWER);
    await page.close();
  });
});
