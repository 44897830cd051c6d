// A page over the packed package, built by each bundler and by Next, and run in Chromium. Full runs only: npm installs the
// bundlers first.

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { isFull } from "../support/full.ts";
import { packedProject } from "../support/packedProject.ts";
import { BUNDLERS, bundlers } from "./bundlers.ts";

/** What the pages run. */
const RUN = `
import { loadDataset, matmul, openDevice, T5ForConditionalGeneration, tensor, Tokenizer, Trainer } from "gradloom";
export async function run() {
  const root = await navigator.storage.getDirectory();
  const stream = await (await root.getFileHandle("rows.csv", { create: true })).createWritable();
  await stream.write("dialogue,summary\\n#Person1#: Hi.,A greeting.\\n");
  await stream.close();
  const { train } = await loadDataset("rows.csv");
  const device = await openDevice("cpu", { threads: 1 });
  const x = tensor([[1, 2], [3, 4]], undefined, { device });
  const product = [...(await matmul(x, x).data())];
  return { product, rows: train.rows, names: [T5ForConditionalGeneration, Tokenizer, Trainer].map((c) => typeof c) };
}
`;
const ANSWER = {
  product: [7, 10, 15, 22],
  rows: [{ dialogue: "#Person1#: Hi.", summary: "A greeting." }],
  names: ["function", "function", "function"],
};

/** A page whose server computes a product, and whose client runs the rest. */
const NEXT: Readonly<Record<string, string>> = {
  // What any app sets that a static host serves.
  "next.config.js": 'export default { output: "export" };',
  "app/layout.js":
    'export default ({ children }) => <html lang="en"><body>{children}</body></html>;',
  "app/page.js": `
import { matmul, openDevice, tensor } from "gradloom";
import { Client } from "./client.js";
export default async function Page() {
  const device = await openDevice("cpu", { threads: 1 });
  const x = tensor([[1, 2], [3, 4]], undefined, { device });
  const product = JSON.stringify([...(await matmul(x, x).data())]);
  await device.close();
  return <><p id="server">{product}</p><Client /></>;
}
`,
  "app/client.js": `
"use client";
import { useEffect } from "react";
import { run } from "./run.js";
export function Client() {
  useEffect(() => void (globalThis.run = run));
  return <p>client</p>;
}
`,
  "app/run.js": RUN,
};

/** Both are strings where there is nothing to test with. */
const project = isFull ? packedProject("bundlers", BUNDLERS) : "full runs only";
const nextProject = isFull
  ? packedProject("next", ["next@16", "react@19", "react-dom@19"])
  : "full runs only";
const browser = isFull ? await startChromium() : "full runs only";

const MINUTES = 60_000;
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

describe.skipIf(typeof browser === "string")("a page", { timeout: 10 * MINUTES }, () => {
  let page: Page | undefined;
  /** Of the page at hand. */
  let served = "";
  let url: string;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://page");
    const name = pathname === "/" ? "/index.html" : pathname;
    readFile(join(served, name)).then(
      (text) => response.writeHead(200, { "content-type": TYPES[extname(name)] ?? "" }).end(text),
      () => response.writeHead(404).end(),
    );
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => page?.close());
  afterAll(async () => {
    server.close();
    await (browser as Browser).close();
  });

  /** Opens the page in a folder and runs it. */
  async function answerOf(folder: string): Promise<unknown> {
    served = folder;
    page = await (browser as Browser).newPage();
    await page.goto(`${url}/`);
    await page.waitForFunction("globalThis.run");
    return page.evaluate("run()");
  }

  /** No script of the page asks for what only Node has. */
  async function expectNoNodeModules(folder: string): Promise<void> {
    const files = await readdir(folder, { recursive: true });
    const scripts = files.filter((file) => file.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(0);
    for (const file of scripts) {
      const text = await readFile(join(folder, file), "utf8");
      expect(text, file).not.toMatch(/(?:from|import|import\(|require\()\s*["']node:/);
    }
  }

  describe.skipIf(typeof project === "string")("over the package", () => {
    it.each(Object.keys(bundlers))("is built by %s without a word, and runs", async (name) => {
      const { folder } = project as Exclude<typeof project, string>;
      const app = join(folder, "app");
      await rm(app, { recursive: true, force: true });
      await mkdir(join(app, "out"), { recursive: true });
      await writeFile(join(app, "package.json"), '{ "type": "module", "private": true }');
      await writeFile(join(app, "run.js"), RUN);
      const entry = 'import { run } from "./run.js"; globalThis.run = run;';
      await writeFile(join(app, "entry.js"), entry);
      const html = (script: string) =>
        `<!doctype html><script type="module" src="${script}"></script>`;
      await writeFile(join(app, "index.html"), html("./entry.js"));
      const warnings = await bundlers[name]!(app);
      expect(warnings).toEqual([]);
      await expectNoNodeModules(join(app, "out"));
      const built = await readFile(join(app, "out/index.html"), "utf8").catch(() => null);
      await writeFile(join(app, "index.html"), built ?? html("/out/entry.js"));
      expect(await answerOf(app)).toEqual(ANSWER);
    });
  });

  it.skipIf(typeof nextProject === "string")(
    "is built by Next: it computes on the server, and in the browser",
    async () => {
      const { folder } = nextProject as Exclude<typeof nextProject, string>;
      await rm(join(folder, "app"), { recursive: true, force: true });
      await mkdir(join(folder, "app"));
      for (const [name, text] of Object.entries(NEXT)) await writeFile(join(folder, name), text);
      const command = join(folder, "node_modules/next/dist/bin/next");
      const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" };
      const options = { cwd: folder, env };
      const { stderr } = await promisify(execFile)(process.execPath, [command, "build"], options);
      expect(stderr).toBe("");
      await expectNoNodeModules(join(folder, "out"));
      expect(await answerOf(join(folder, "out"))).toEqual(ANSWER);
      expect(await page!.locator("#server").innerText()).toBe(JSON.stringify(ANSWER.product));
    },
  );
});
