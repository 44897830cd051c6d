// Models from the Hub and checkpoints of a run in the private file system of a page.

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CachedRepository } from "../../src/browser.ts";
import { startChromium } from "../support/chromium.ts";
import { COMMIT, FakeHub } from "../support/fakeHub.ts";
import * as gradloom from "../../src/browser.ts";
import { isFull } from "../support/full.ts";
import { logitsOf } from "./measure.ts";
import { inShards } from "./shards.ts";
import { bundlePage, serve, type Site } from "./site.ts";
import type { RunFigures } from "./storeTasks.ts";

const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const files = Object.fromEntries(
  NAMES.map((name) => [name, readFileSync(`examples/model/${name}`)] as const),
);
const WEIGHTS = files["model.safetensors"]!.length;
const CSV = "id,dialogue,summary\n1,#Person1#: Hi.,A greeting.\n2,#Person1#: Bye.,A farewell.\n";
const TEXT = "Summarize: #Person1#: Would you like to go to the cinema?";

/** On the main thread the browser writes in another way. */
const PLACES: readonly ("page" | "worker")[] = isFull ? ["page", "worker"] : ["worker"];

type Answer<T> = { readonly result: T } | { readonly error: string };
type Run = (task: string, parameters: readonly unknown[]) => Promise<Answer<never>>;

const browser = await startChromium();

describe.skipIf(typeof browser === "string")("a page's private file system", () => {
  let site: Site;
  let hub: FakeHub;
  let page: Page;

  beforeAll(async () => {
    site = await serve(await bundlePage());
    hub = await FakeHub.start();
    hub.repositories.set("models/team/tiny", { files, large: ["model.safetensors"] });
    const shards = inShards(files, 2);
    hub.repositories.set("models/team/shards", { files: shards, large: Object.keys(shards) });
    hub.repositories.set("datasets/team/rows", { files: { "train.csv": CSV } });
  });
  afterAll(async () => {
    if (typeof browser !== "string") await browser.close();
    site.close();
    await hub.stop();
  });
  // Every page has a store of its own.
  beforeEach(async () => {
    if (typeof browser === "string") return;
    const context = await browser.newContext();
    page = await context.newPage();
    await visit(page);
    hub.seen.length = 0;
    hub.faults = {};
    return () => context.close();
  });

  async function visit(where: Page): Promise<void> {
    await where.goto(`${site.url}/isolated`);
    await where.waitForFunction("globalThis.run");
  }

  async function run<T>(
    where: "page" | "worker",
    task: string,
    ...parameters: readonly unknown[]
  ): Promise<T> {
    const answer = (await page.evaluate(
      ({ where, task, parameters }) => {
        const { run, runInWorker } = globalThis as unknown as { run: Run; runInWorker: Run };
        return (where === "page" ? run : runInWorker)(task, parameters);
      },
      { where, task, parameters },
    )) as Answer<T>;
    if ("error" in answer) throw new Error(answer.error);
    return answer.result;
  }

  interface FromHub {
    readonly text: string;
    readonly loaded: Readonly<Record<string, number>>;
  }
  const load = (where: "page" | "worker", options = {}, abortAt?: number): Promise<FromHub> =>
    run(where, "fromHub", "team/tiny", TEXT, { endpoint: hub.endpoint, ...options }, abortAt);
  const incomplete = async (): Promise<number> =>
    (await run<CachedRepository[]>("page", "cached"))[0]?.incompleteSize ?? 0;

  it("keeps a model of the Hub: the second time nobody is asked, and it can be deleted", async () => {
    const first = await load("worker", { token: "hf_secret" });
    expect(first.text.length).toBeGreaterThan(5);
    expect(hub.downloads("model.safetensors").length).toBeGreaterThan(0);
    expectTokenAtEndpointAlone();
    hub.seen.length = 0;
    await page.reload();
    await page.waitForFunction("globalThis.run");
    expect(await load("page", { revision: COMMIT })).toEqual({ text: first.text, loaded: {} });
    expect(await load("worker", { localFilesOnly: true })).toMatchObject({ text: first.text });
    expect(hub.seen).toEqual([]);

    const [model, ...others] = await run<CachedRepository[]>("page", "cached");
    expect(others).toEqual([]);
    expect(model).toMatchObject({ type: "model", name: "team/tiny", incompleteSize: 0 });
    expect(model!.size).toBeGreaterThan(WEIGHTS);
    expect(model!.revisions).toMatchObject([{ commit: COMMIT, refs: ["main"] }]);
    expect(model!.revisions[0]!.files).toEqual(expect.arrayContaining(NAMES));
    expect(await run("page", "forget", "team/tiny")).toBe(model!.size);
    expect(await run("page", "cached")).toEqual([]);
    await expect(load("page", { localFilesOnly: true })).rejects.toThrow(/must be in the cache/);
  });

  it.each(PLACES)(
    "goes on with a download that was cut when the site was left, in the %s",
    async (where) => {
      hub.faults = { pieceDelay: 5 };
      if (where === "page") await expect(load(where, {}, 200_000)).rejects.toThrow(/abort/i);
      else {
        void load(where).catch(() => undefined);
        await expect.poll(incomplete, { timeout: 60_000 }).toBeGreaterThan(100_000);
      }
      await visit(page); // ends the worker, wherever it is
      hub.faults = {}; // not before: the rest would come at once
      const size = await incomplete();
      expect(size).toBeGreaterThan(100_000);
      hub.seen.length = 0;
      await load(where);
      const asked = hub.downloads("model.safetensors").filter(({ isCdn }) => isCdn);
      expect(asked).toHaveLength(1);
      expect(asked[0]!.range).toMatch(new RegExp(`^bytes=${size}-`));
    },
  );

  it("loads a checkpoint in shards: its logits are those of the same weights in one file", async () => {
    const options = { endpoint: hub.endpoint };
    const actual = await run<number[]>("worker", "logitsOf", "team/shards", options);
    expect(hub.downloads("model-00002-of-00002.safetensors").length).toBeGreaterThan(0);
    const expected = await logitsOf(gradloom, "examples/model");
    const largest = Math.max(...expected.map(Math.abs));
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
    expect(worst / largest).toBeLessThan(1e-6);
  });

  it("loads rows of the Hub", async () => {
    const options = { endpoint: hub.endpoint };
    const rows = await run("page", "datasetFromHub", "team/rows", options);
    expect(rows).toEqual([
      { id: "1", dialogue: "#Person1#: Hi.", summary: "A greeting." },
      { id: "2", dialogue: "#Person1#: Bye.", summary: "A farewell." },
    ]);
    hub.seen.length = 0;
    const again = { ...options, localFilesOnly: true };
    expect(await run("worker", "datasetFromHub", "team/rows", again)).toEqual(rows);
    expect(hub.seen).toEqual([]);
  });

  function expectTokenAtEndpointAlone(): void {
    const own = hub.seen.filter(({ isCdn }) => !isCdn);
    expect(own.length).toBeGreaterThan(0);
    expect(own.every(({ authorization }) => authorization === "Bearer hf_secret")).toBe(true);
    const others = hub.seen.filter(({ isCdn }) => isCdn);
    expect(others.length).toBeGreaterThan(0);
    expect(others.every(({ authorization }) => authorization === undefined)).toBe(true);
  }

  it.runIf(isFull)("sends a token to the endpoint alone, from the main thread too", async () => {
    await load("page", { token: "hf_secret" });
    expectTokenAtEndpointAlone();
  });

  describe("checkpoints", () => {
    const kept = { outputDir: "runs/a" };

    // The same code as in Node; what pages do in another way is in the next test.
    it.runIf(isFull)(
      "are deleted but for the newest with saveTotalLimit, and losses stay those of a run that keeps all",
      async () => {
        const whole = await run<RunFigures>("worker", "trainRun", { args: { outputDir: "whole" } });
        expect(whole.checkpoints).toEqual(["checkpoint-2", "checkpoint-4", "checkpoint-6"]);
        const begun = await run<RunFigures>("worker", "trainRun", {
          args: { ...kept, saveTotalLimit: 1 },
        });
        expect(begun.checkpoints).toEqual(["checkpoint-6"]);
        expect(begun.losses).toEqual(whole.losses);
      },
    );

    // Each takes some kilobytes outside the heap of JavaScript until a collection that nothing hurries.
    it("take few handles of the browser", async () => {
      const handles = await run<number>("worker", "handlesOfSave", "few");
      expect(handles).toBeLessThan(60);
    });

    it.each(PLACES)(
      "survive the page, which is killed in the middle of a save, in the %s",
      async (where) => {
        const whole = await run<RunFigures>("worker", "trainRun", { args: { outputDir: "whole" } });
        const hanging = page.waitForResponse(/hanging/);
        void run(where, "trainRun", { args: kept, hangInSave: 4 }).catch(() => undefined);
        await hanging;
        const context = page.context();
        await killRenderer(page);
        page = await context.newPage();
        await visit(page);
        const left = await run<RunFigures>("page", "listFolder", kept.outputDir);
        const ready = left.checkpoints.filter((name) => !name.startsWith("."));
        expect(ready).toEqual(["checkpoint-2"]);
        const resumed = await run<RunFigures>(where, "trainRun", { args: kept, resume: true });
        expect(resumed.losses).toEqual(whole.losses);
        expect(resumed.tokens).toEqual(whole.tokens);
        expect(resumed.checkpoints).toEqual(whole.checkpoints);
        expect(resumed.files).toEqual(whole.files);
      },
    );
  });
});

/** Ends the process of a page as a crash does. */
async function killRenderer(page: Page): Promise<void> {
  const crashed = page.waitForEvent("crash");
  await page.goto("chrome://crash").catch(() => undefined);
  await crashed;
}
