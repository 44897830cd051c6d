// The page on WebGPU through SwiftShader: the journey of page.test.ts, and a GPU that goes away in the middle of a run. Full runs
// only: a program that plays the GPU takes minutes.

import { mkdir } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChromium } from "../support/chromium.ts";
import { temporaryFolder } from "../support/folder.ts";
import { isFull } from "../support/full.ts";
import { beginRun, finishRun, resumeRun, writeRows, type Journey } from "./journey.ts";
import { buildPage, servePage, type PageSite } from "./site.ts";

const browser = isFull ? await startChromium() : "full runs only";
const PATIENCE = 300_000;
const MINUTES = 60_000;

describe.skipIf(typeof browser === "string")("the page on webgpu", () => {
  const chromium = browser as Browser;
  const temporary = temporaryFolder();
  let site: PageSite;

  beforeAll(async () => {
    const folder = temporary("page");
    await buildPage(folder);
    site = await servePage(folder);
  }, 3 * MINUTES);

  afterAll(async () => {
    await chromium.close();
    site.close();
  });

  async function journey(name: string): Promise<Journey> {
    const folder = temporary(name);
    await mkdir(folder);
    await writeRows(folder);
    const context = await chromium.newContext({ acceptDownloads: true });
    return { context, folder, url: site.url, query: "?device=webgpu", patience: PATIENCE };
  }

  it(
    "goes on after a reload, and its adapter is the same in Node",
    { timeout: 20 * MINUTES },
    async () => {
      const own = await journey("journey");
      const driver = await beginRun(own);
      expect(await driver.text("device")).toMatch(/^WebGPU, .*swiftshader/i);
      await driver.page.reload();
      await driver.ready();
      await resumeRun(driver, 0);
      await finishRun(driver, own.folder);
      await own.context.close();
    },
  );

  it(
    "goes on from the checkpoint after the GPU was lost, and says so",
    { timeout: 20 * MINUTES },
    async () => {
      const own = await journey("lost");
      // The run must not be done before its GPU goes.
      const driver = await beginRun(own, 150);
      await driver.press("Resume");
      await endGpuProcess(chromium);
      await driver.until("notice", /lost and opened again: .*The run goes on from update \d+/);
      await driver.until("run-status", /^Done$/);
      await own.context.close();
    },
  );
});

/** As when a driver fails. chrome://gpucrash leaves the process alone where a CPU plays the GPU. */
async function endGpuProcess(chromium: Browser): Promise<void> {
  const session = await chromium.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const found = processInfo.find(({ type }) => type === "GPU");
  expect(found).toBeDefined();
  process.kill(found!.id, "SIGKILL");
  await session.detach();
}
