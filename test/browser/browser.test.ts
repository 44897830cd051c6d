// The library in a page, in the Chromium of test/support/chromium.ts: the same figures as in Node.

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as gradloom from "../../src/browser.ts";
import { isFull } from "../support/full.ts";
import { startChromium } from "../support/chromium.ts";
import {
  continueText,
  measure,
  reloadAdapter,
  trainWith,
  type Figures,
  type TrainFigures,
} from "./measure.ts";
import { bundlePage, serve, type Site } from "./site.ts";

const bundle = await bundlePage();

describe("the bundle", () => {
  it("needs no setting, and asks for nothing that browsers have not", () => {
    expect(bundle.warnings).toEqual([]);
    const imports = Object.values(bundle.metafile.outputs).flatMap((output) => output.imports);
    expect(imports.filter(({ external }) => external)).toEqual([]);
  });

  it("carries nothing that Node alone runs", () => {
    const ofNode = Object.entries(bundle.metafile.inputs).filter(([path]) =>
      /generated\/wide\.js$|OfNode\.js$/.test(path),
    );
    expect(ofNode.map(([, { bytes }]) => bytes)).toEqual([0, 0, 0]);
  });
});

interface PageFigures extends Figures {
  readonly kind: string;
  readonly threads?: number;
}

type Answer<T> = { readonly result: T } | { readonly error: string };
type Run = (task: string, parameters: readonly unknown[]) => Promise<Answer<never>>;

const browser = await startChromium();
const version = typeof browser === "string" ? browser : `Chromium ${browser.version()}`;

describe.skipIf(typeof browser === "string")(`pages (${version})`, () => {
  let site: Site;
  let reference: Figures;
  const pages = new Map<string, Page>();

  beforeAll(async () => {
    site = await serve(bundle);
    const device = await gradloom.openDevice("cpu", { threads: 1 });
    reference = await measure(gradloom, device);
    await device.close();
  });

  afterAll(async () => {
    if (typeof browser !== "string") await browser.close();
    site.close();
  });

  async function open(path: string): Promise<Page> {
    const found = pages.get(path);
    if (found) return found;
    if (typeof browser === "string") throw new Error(browser);
    const page = await browser.newPage();
    pages.set(path, page);
    await page.goto(site.url + path);
    await page.waitForFunction("globalThis.run");
    return page;
  }

  /** Runs a task of page.mjs in the page, or in a worker of it. */
  async function run<T>(
    path: string,
    where: "page" | "worker",
    task: string,
    ...parameters: readonly unknown[]
  ): Promise<Answer<T>> {
    const page = await open(path);
    return page.evaluate(
      ({ where, task, parameters }) => {
        const { run, runInWorker } = globalThis as unknown as { run: Run; runInWorker: Run };
        return (where === "page" ? run : runInWorker)(task, parameters);
      },
      { where, task, parameters },
    );
  }

  function resultOf<T>(answer: Answer<T>): T {
    if ("error" in answer) throw new Error(answer.error);
    return answer.result;
  }

  function expectFigures(actual: Figures, tolerance: number): void {
    for (const name of ["product", "gradient", "losses"] as const) {
      expect(distance(actual[name], reference[name]), name).toBeLessThan(tolerance);
    }
    expect(actual.tokens).toEqual(reference.tokens);
    expect(actual.sampled).toEqual(reference.sampled);
  }

  describe("cpu", () => {
    it.each(["page", "worker"] as const)("two threads, in the %s", async (where) => {
      const answer = await run<PageFigures>("/isolated", where, "measure", "cpu", { threads: 2 });
      const figures = resultOf(answer);
      expect(figures.threads).toBe(2);
      expectFigures(figures, 1e-5);
    });

    it("takes every core where nobody says how many, and none but its own without isolation", async () => {
      const cores = await (await open("/isolated")).evaluate(() => navigator.hardwareConcurrency);
      const isolated = resultOf(await run<PageFigures>("/isolated", "worker", "measure", "auto"));
      expect(isolated).toMatchObject({ kind: "cpu", threads: Math.min(cores, 64) });
      const plain = resultOf(await run<PageFigures>("/plain", "page", "measure", "cpu"));
      expect(plain).toMatchObject({ kind: "cpu", threads: 1 });
      expectFigures(plain, 1e-5);
    });

    it("says which headers threads need", async () => {
      const answer = await run("/plain", "page", "measure", "cpu", { threads: 2 });
      expect(answer).toEqual({
        error:
          "DeviceError: openDevice: threads must be 1 on a page that is not cross-origin isolated, got 2. Serve it with the headers " +
          "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or leave threads out.",
      });
    });

    it("says so where the page forbids its workers", async () => {
      const answer = await run("/withoutBlobs", "page", "measure", "cpu", { threads: 2 });
      expect(answer).toEqual({ error: expect.stringMatching(/worker-src blob:/) });
    });

    it.each([false, true])(
      "starts its workers from a file there, background: %s",
      async (background) => {
        const options = { threads: 2, background, workerUrl: "/cpuWorker.js" };
        const answer = await run<PageFigures>("/withoutBlobs", "page", "measure", "cpu", options);
        expectFigures(resultOf(answer), 1e-5);
      },
    );

    it("computes in the background, while the page goes on", async () => {
      const options = { threads: 2, background: true };
      const answer = await run<PageFigures>("/isolated", "page", "measure", "cpu", options);
      expectFigures(resultOf(answer), 1e-5);
      const plain = await run("/plain", "page", "measure", "cpu", { background: true });
      expect(plain).toEqual({ error: expect.stringMatching(/background must be false on a page/) });
    });

    it.each([1, 2])(
      "says so where the page forbids WebAssembly, with %d threads",
      async (threads) => {
        const answer = await run("/withoutWasm", "page", "measure", "cpu", { threads });
        expect(answer).toEqual({
          error: expect.stringMatching(/^DeviceError: .*Allow script-src 'wasm-unsafe-eval'/),
        });
      },
    );

    it("says so where the page requires Trusted Types, and runs there on one thread", async () => {
      const refused = await run("/trustedTypes", "page", "measure", "cpu", { threads: 2 });
      expect(refused).toEqual({
        error: expect.stringMatching(/^DeviceError: .*requires Trusted Types: .*threads: 1/),
      });
      const one = await run<PageFigures>("/trustedTypes", "page", "measure", "cpu", { threads: 1 });
      expectFigures(resultOf(one), 1e-5);
    });
  });

  describe("training", () => {
    it.each([{ bf16: true }, { gradientCheckpointing: true }])(
      "with %o has the losses of Node",
      async (args) => {
        const plain = await trainWith(gradloom, {});
        const expected = await trainWith(gradloom, args);
        const actual = resultOf(await run<TrainFigures>("/plain", "worker", "trainWith", args));
        expect(distance(actual.losses, expected.losses)).toBeLessThan(1e-6);
        // The argument does something.
        if (args.bf16) expect(distance(expected.losses, plain.losses)).toBeGreaterThan(1e-5);
        else expect(actual.peakBytes).toBeLessThan(0.9 * plain.peakBytes);
      },
    );
  });

  describe("webgpu", () => {
    // SwiftShader takes 15 s on two idle cores, and many times that beside other tests.
    it.runIf(isFull)(
      "gives the figures of the cpu device in Node",
      { timeout: 300_000 },
      async () => {
        const figures = resultOf(await run<PageFigures>("/isolated", "page", "measure", "webgpu"));
        expect(figures.kind).toBe("webgpu");
        expectFigures(figures, 1e-3);
      },
    );
  });

  describe("files", () => {
    const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    const TEXT =
      "Summarize: #Person1#: Would you like to go to the cinema? #Person2#: I have no money.";

    it("loads a model and a tokenizer from their files", async () => {
      const read = (name: string) => readFileSync(`examples/model/${name}`);
      const files = new Map(NAMES.map((name) => [name, new Blob([read(name)])]));
      const device = await gradloom.openDevice("cpu", { threads: 1 });
      const expected = await continueText(gradloom, device, files, TEXT);
      expect(expected.length).toBeGreaterThan(10);
      expect(resultOf(await run("/plain", "page", "continueText", NAMES, TEXT))).toBe(expected);
    });

    it("keeps a model and a trained adapter as files, and loads them again", async () => {
      const device = await gradloom.openDevice("cpu", { threads: 1 });
      const expected = await reloadAdapter(gradloom, device);
      expect(expected.after).toEqual(expected.before);
      expect(expected.after).not.toEqual(expected.plain);
      expect(resultOf(await run("/isolated", "worker", "reloadAdapter"))).toEqual(expected);
    });

    it("says that a folder is missing, as in Node", async () => {
      const read = await run("/plain", "page", "readFolder", "./folder");
      const error = expect.stringMatching(
        /^ConfigError: .\/folder: must be a model folder .* got nothing there/,
      );
      expect(read).toEqual({ error });
      const written = await run("/plain", "page", "saveFolder");
      expect(written).toEqual({ error: expect.stringMatching(/its folder does not exist/) });
    });
  });
});

/** The largest difference, relative to the largest value. */
function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!))) / largest;
}
