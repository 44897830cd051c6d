// The page in the Chromium of test/support/chromium.ts, on the cpu device with two threads.

import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addLora, LoraConfig, openDevice, T5ForConditionalGeneration } from "../../src/index.ts";
import { startChromium } from "../support/chromium.ts";
import { isFull } from "../support/full.ts";
import { FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";
import { axeViolations } from "./axe.ts";
import { crash, PageDriver, type TabName } from "./driver.ts";
import { visitWithInt8 } from "./int8.ts";
import { beginRun, finishRun, resumeRun, writeRows } from "./journey.ts";
import { buildPage, servePage, type PageSite } from "./site.ts";

/** Of html, scripts, styles and the WebAssembly inside the scripts; the example model and rows do not count. */
const MOST_GZIP_KB = 600;
const CPU = "?device=cpu&threads=2";
const TABS: readonly TabName[] = ["Model", "Summarise", "Fine-tune", "Take along", "Kernels"];

const temporary = temporaryFolder();
let folder = "";

beforeAll(async () => {
  folder = temporary("page");
  await buildPage(folder);
});

/** The fake Hub lets this one write. */
const TOKEN = "hf_writer";

function publishExample(hub: FakeHub): void {
  const model = readdirSync("examples/model").map((name): [string, Buffer] => [
    name,
    readFileSync(join("examples/model", name)),
  ]);
  hub.repositories.set("models/org/tiny", {
    files: Object.fromEntries(model),
    ...{ large: ["model.safetensors"], privateTo: TOKEN },
  });
  const rows = readFileSync("examples/data/validation.csv");
  hub.repositories.set("datasets/org/chats", { files: { "train.csv": rows } });
}

async function pushTo(driver: PageDriver, hub: FakeHub): Promise<void> {
  await driver.show("Take along");
  await driver.fill("Repository", "org/mine");
  await driver.press("Push");
  // In parts of 4 kB the fake Hub takes 20 s for the model on an idle machine.
  await driver.page.getByRole("link", { name: /\/org\/mine/ }).waitFor({ timeout: 120_000 });
  expect(hub.pushes.commits.map(({ paths }) => [...paths].sort())).toEqual([
    expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json"]),
  ]);
}

/** What the page wrote where a later visitor could read it. */
function storedTexts(page: PageDriver["page"]): Promise<string> {
  return page.evaluate(async () => {
    const texts = [JSON.stringify({ ...localStorage, ...sessionStorage }), document.cookie];
    const below = async (folder: FileSystemDirectoryHandle): Promise<void> => {
      const listed = folder as unknown as AsyncIterable<[string, FileSystemHandle]>;
      for await (const [name, handle] of listed) {
        texts.push(name);
        if (handle.kind === "directory") await below(handle as FileSystemDirectoryHandle);
        else texts.push(await (await (handle as FileSystemFileHandle).getFile()).text());
      }
    };
    await below(await navigator.storage.getDirectory());
    return texts.join("\n");
  });
}

describe("the built page", () => {
  it(`weighs at most ${MOST_GZIP_KB} kB`, () => {
    const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const own = paths.filter((path) => !path.startsWith("example") && extname(path) !== "");
    const sizes = own.map((path) => [
      gzipSync(readFileSync(join(folder, path))).length / 1000,
      path,
    ]);
    const total = sizes.reduce((sum, [size]) => sum + (size as number), 0);
    expect(own.length).toBeGreaterThan(5);
    expect(total, `${total.toFixed(0)} kB: ${sizes.join("; ")}`).toBeLessThan(MOST_GZIP_KB);
  });

  it("names no other host in what it loads", () => {
    const html = readFileSync(join(folder, "index.html"), "utf8");
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});

const browser = await startChromium();
const version = typeof browser === "string" ? browser : `Chromium ${browser.version()}`;

describe.skipIf(typeof browser === "string")(`the page (${version})`, () => {
  const chromium = browser as Browser;
  let site: PageSite;
  let page: PageDriver;

  beforeAll(async () => {
    site = await servePage(folder);
    page = await PageDriver.open(chromium, site.url, { query: CPU });
  });

  afterAll(async () => {
    await chromium.close();
    site.close();
  });

  it("opens with the example on the device that is asked for", async () => {
    expect(await page.text("device")).toBe("CPU, 2 threads");
    expect(await page.text("model")).toBe("the example model");
  });

  it("summarises greedily, with beams and by sampling, and shows where a head looked", async () => {
    await page.show("Summarise");
    await page.press("Summarise");
    await page.until("speed", /\d+ tokens in .* tokens\/s, first after [\d.]+ ms/);
    const greedy = await page.text("summary");
    expect(greedy).toMatch(/\w+ \w+/);
    await page.fill("Head, 1 to 4", 2);
    await page.press("Show attention");
    await page.until("attention", /Would you like to go to the cinema/);
    await page.choose("Decoding", "Beam search");
    await page.fill("Beams", 2);
    await page.press("Summarise");
    await page.until("speed", /tokens in/);
    await page.choose("Decoding", "Sampling");
    await page.fill("Temperature", 3);
    await page.press("Summarise");
    await page.until("speed", /tokens in/);
    expect(await page.text("summary")).not.toBe(greedy);
  });

  it("stops a summary and keeps what was written", async () => {
    await page.fill("Most new tokens", 512);
    await page.fill("Temperature", 5);
    await page.fill("Top k", 0);
    await page.pressOnceWritten("Stop", 40);
    await page.press("Summarise");
    await page.until("speed", /; stopped/);
    expect((await page.text("summary")).length).toBeGreaterThan(20);
  });

  it("says in one line what is wrong with what is dropped, and keeps what was there", async () => {
    const refused = async (
      tab: TabName,
      names: readonly (readonly [string, string])[],
      text: RegExp,
    ) => {
      const files = names.map(([name, text]) => ({ name, text }));
      await page.show(tab);
      await page.dropTexts(`#panel-${tab.toLowerCase()} .drop`, files);
      await page.until("notice", text);
      expect(await page.text("notice")).not.toMatch(/gradloom-page|--|HF_|skipIncompleteRows/);
      await page.press("Dismiss");
    };
    await page.show("Fine-tune");
    await page.until("data", /2,000 train/);
    await refused("Fine-tune", [], /holds no file/);
    await refused("Fine-tune", [["a.csv", ""]], /^a\.csv: the first line must name the columns/);
    await refused("Fine-tune", [["a.csv", "text\nhello\n"]], /^a\.csv: needs two columns/);
    const semicolons = "chat;gist\nHi, you.;Hi.\n";
    await refused("Fine-tune", [["a.csv", semicolons]], /^a\.csv: .*The header has ";" between/);
    await refused("Fine-tune", [["a.png", "x"]], /^loadDataset: the files must hold train\.csv/);
    await refused("Model", [["config.json", "{}"]], /^the files: must hold tokenizer\.json/);
    await page.show("Fine-tune");
    expect(await page.text("data")).toMatch(/2,000 train/);
    await page.dropTexts("#panel-fine-tune .drop", [
      { name: "b.csv", text: "chat,gist\nHi.,A hi.\n" },
    ]);
    await page.until("data", /b\.csv: 1 train/);
    await page.press("Use the example");
    await page.until("data", /2,000 train/);
  });

  it("checks a gradient and measures products", async () => {
    await page.show("Kernels");
    await page.press("Check");
    await page.until("gradients", /matmul\s*\[4, 5\] \[5, 3\]\s*\d\.\de-\d+/);
    await page.press("Measure");
    await page.until("peak", /Peak: [\d.]+ [GT]FLOP\/s/);
    await page.until("matmul", /128 × 128\s*[\d.]+ ms\s*[\d.]+ GFLOP\/s\s*\d+%/);
  });

  it("moves between sections with the arrow keys", async () => {
    await page.show("Model");
    await page.page.keyboard.press("ArrowRight");
    expect(await page.page.evaluate("document.activeElement.id")).toBe("tab-summarise");
    await page.page.keyboard.press("End");
    expect(await page.page.locator("#panel-kernels").isVisible()).toBe(true);
  });

  it.each(["light", "dark"] as const)("has no violation of axe-core, %s", async (colorScheme) => {
    await page.page.emulateMedia({ colorScheme });
    for (const tab of TABS) {
      await page.show(tab);
      expect(await axeViolations(page.page), tab).toEqual([]);
    }
  });

  it("fits a screen of 360 pixels", async () => {
    await page.page.setViewportSize({ width: 360, height: 740 });
    for (const tab of TABS) {
      await page.show(tab);
      expect(await page.page.evaluate("document.documentElement.scrollWidth"), tab).toBe(360);
    }
  });

  it(
    "goes on after a crash and after a reload, and its adapter is the same in Node",
    { timeout: 300_000 },
    async () => {
      const journey = {
        context: await chromium.newContext({ acceptDownloads: true }),
        ...{ url: site.url, query: CPU, folder: temporary("journey") },
      };
      await mkdir(journey.folder);
      await writeRows(journey.folder);
      const first = await beginRun(journey);
      await crash(first);
      const second = await PageDriver.open(journey.context, site.url, { query: CPU });
      await resumeRun(second, 1);
      await second.page.reload();
      await second.ready();
      await resumeRun(second, 0);
      await finishRun(second, journey.folder);
      expect([...first.foreign, ...second.foreign]).toEqual([]);
      expect(second.complaints).toEqual([]);
      await journey.context.close();
    },
  );

  it("keeps a dropped adapter when the model is loaded again in other weights", async () => {
    const own = temporary("adapter");
    const device = await openDevice("cpu");
    const model = await T5ForConditionalGeneration.fromPretrained("examples/model", { device });
    addLora(model, new LoraConfig({ r: 2 }));
    await model.savePretrained(own);
    await device.close();
    const driver = await PageDriver.open(chromium, site.url, { query: CPU });
    await driver.show("Model");
    const files = readdirSync(own).filter((name) => name.startsWith("adapter"));
    await driver.page
      .getByLabel("Choose files")
      .setInputFiles(files.map((name) => join(own, name)));
    await driver.until("facts", /weights in f32, .*with a LoRA adapter/);
    await driver.choose("Weights are stored in", "bf16");
    await driver.until("facts", /weights in bf16, .*with a LoRA adapter/);
    await driver.page.context().close();
  });

  it.runIf(isFull)(
    "summarises in int8 and trains an adapter over it, and both are the same in Node",
    async () => {
      const context = await chromium.newContext({ acceptDownloads: true });
      const own = temporary("int8");
      await mkdir(own);
      await visitWithInt8({ context, folder: own, url: site.url, query: CPU });
      await context.close();
    },
  );

  it("loads models and rows of the Hub it is given, keeps them, and lets go of them", async () => {
    const hub = await FakeHub.start();
    const context = await chromium.newContext();
    try {
      publishExample(hub);
      const query = `${CPU}&endpoint=${encodeURIComponent(hub.endpoint)}`;
      const driver = await PageDriver.open(context, site.url, { query });
      await driver.show("Model");
      await driver.fill("Model id", "org/tiny");
      await driver.press("Download and load");
      await driver.until("notice", /org\/tiny: .*fill in the field Access token/); // nobody may see it without
      await driver.page.getByText("Branch, token, address").click();
      await driver.fill("Access token", TOKEN);
      await driver.press("Download and load");
      await driver.until("model", /^org\/tiny$/);
      await driver.until("kept", /org\/tiny\s*0123456789\s*2\.9\d? MB/);
      await driver.show("Fine-tune");
      await driver.fill("or a dataset of the Hub", "org/chats");
      await driver.press("Download");
      await driver.until("data", /org\/chats: 100 train/);
      if (isFull) await pushTo(driver, hub);
      await driver.show("Model");
      await driver.press("Delete org/tiny");
      await driver.page.getByTestId("kept").waitFor({ state: "detached" });
      const hosts = new Set(driver.foreign.map((address) => new URL(address).hostname));
      expect([...hosts].sort()).toEqual(["127.0.0.1", "localhost"]); // the Hub and its CDN
      expect(await storedTexts(driver.page)).not.toContain(TOKEN);
    } finally {
      await context.close();
      await hub.stop();
    }
  });

  it.runIf(isFull)(
    "lets one tab train at a time, keeps the rows of both, and says when the browser is full",
    async () => {
      const context = await chromium.newContext();
      const own = temporary("tabs");
      await mkdir(own);
      await writeRows(own);
      const journey = { context, url: site.url, query: CPU, folder: own };
      const first = await beginRun(journey);
      const second = await PageDriver.open(context, site.url, { query: CPU });
      await second.show("Fine-tune");
      await second.until("data", /2,000 train/);
      expect(await second.page.getByTestId("stored-run").count()).toBe(0);
      await second.drop("#panel-fine-tune .drop", [join(own, "train.csv")]);
      await second.until("data", /32 train/);
      await second.press("Train");
      await second.until("notice", /^Another tab of this page trains/);
      await first.press("Resume");
      await first.until("run-status", /^Done$/);
      await second.fill("Updates", 2);
      await second.press("Train");
      await second.until("run-status", /^Done$/);

      const cdp = await context.newCDPSession(second.page);
      await cdp.send("Storage.overrideQuotaForOrigin", { origin: site.url, quotaSize: 1000 });
      await second.press("Train");
      await second.until("notice", /^The browser gives this page no more room for files/);
      expect([...first.complaints, ...second.complaints]).toEqual([]);
      await context.close();
    },
  );

  it("isolates itself where the host sends no headers, and opens again without a network", async () => {
    const plain = await servePage(folder, false);
    const context = await chromium.newContext();
    try {
      const driver = await PageDriver.open(context, plain.url, { query: CPU });
      await driver.page.waitForFunction("crossOriginIsolated");
      await driver.ready();
      expect(await driver.text("device")).toBe("CPU, 2 threads");
      plain.close();
      await driver.page.reload();
      await driver.ready();
      expect(await driver.text("device")).toBe("CPU, 2 threads");
    } finally {
      await context.close();
      plain.close();
    }
  });

  it("asked nobody but its own host, and complained about nothing", () => {
    expect(page.foreign).toEqual([]);
    expect(page.complaints).toEqual([]);
  });
});
