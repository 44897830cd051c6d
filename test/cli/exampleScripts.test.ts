// The scripts of examples/, each run as its first lines say; those that examples/README.md runs in its code blocks are run
// with the documents (examples.test.ts). The page runs in Chromium, bundled by esbuild; what Vite adds is its server.

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { isFull } from "../support/full.ts";
import { absolutePath, readSource } from "../support/sources.ts";

const run = promisify(execFile);
const examples = absolutePath("examples");
const readme = readSource("examples/README.md");

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "gradloom-example-scripts-")));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs a script in the folder. */
async function script(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(examples, name), ...args], { cwd: folder });
  return stdout;
}

describe("examples/", () => {
  const scripts = readdirSync(examples).filter((name) => /\.mjs$|^vite/.test(name));

  it.each(scripts)("%s is listed in examples/README.md", (name) => {
    expect(readme).toContain(`[${name}](${name})`);
  });

  it("names the origin of each folder of data", () => {
    for (const name of ["data", "model"])
      expect(readme).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, "m"));
  });

  it("fine-tune-lora.mjs takes at most 40 lines", () => {
    expect(readSource("examples/fine-tune-lora.mjs").split("\n").length).toBeLessThanOrEqual(41);
  });
});

describe("examples", () => {
  it("summarize-folder.mjs writes a summary beside each text, and takes none for a text", async () => {
    await mkdir(join(folder, "texts"));
    for (const name of ["one", "two"]) {
      await writeFile(join(folder, `texts/${name}.txt`), "#Person1#: Shall we meet at six?\n");
    }
    const first = await script("summarize-folder.mjs", "texts");
    expect(first).toMatch(/^one\.txt: .+\ntwo\.txt: .+\n$/);
    const written = await readFile(join(folder, "texts/one.summary.txt"), "utf8");
    expect(first).toContain(`one.txt: ${written}`);
    if (isFull) expect(await script("summarize-folder.mjs", "texts")).toBe(first);
  });

  it("own-csv.mjs trains on columns of other names", async () => {
    const rows = Array.from({ length: 30 }, (_, i) => `"Mail ${i}, please","topic ${i % 3}"`);
    await writeFile(join(folder, "mails.csv"), ["mail,label", ...rows].join("\n"));
    const printed = await script("own-csv.mjs", "mails.csv", "mail", "label", "2");
    expect(printed).toMatch(
      /^rouge1 0\.\d{3} on 20 rows that were held back\n(topic \d: .*\n){3}$/,
    );
    expect(readdirSync(join(folder, "gradloom-output/own-csv"))).toContain("model.safetensors");
  });
});

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

describe.runIf(isFull)("vite-worker", () => {
  it("streams a summary into the page", async (context) => {
    const browser = await startChromium();
    if (typeof browser === "string") return context.skip(browser);
    const source = join(examples, "vite-worker");
    const { outputFiles } = await build({
      entryPoints: [join(source, "main.js"), join(source, "worker.js")],
      ...{ bundle: true, format: "esm", write: false, outdir: "/", logLevel: "silent" },
      alias: { gradloom: absolutePath("dist/browser.js") },
    });
    const scripts = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
    const server = createServer((request, response) => {
      const path = request.url === "/" ? "/index.html" : request.url!;
      const file = path.startsWith("/model/") ? join(examples, path) : join(source, path);
      const send = (content: Uint8Array): void =>
        void response
          .writeHead(200, {
            "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
          })
          .end(content);
      const found = scripts.get(path);
      if (found) send(found);
      else readFile(file).then(send, () => response.writeHead(404).end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.click("#summarize:enabled", { timeout: 60_000 });
      await page.waitForSelector("#summarize:enabled", { timeout: 60_000 });
      expect(await page.textContent("#summary")).toMatch(/^\S.*\w/);
    } finally {
      await browser.close();
      server.close();
    }
  });
});
