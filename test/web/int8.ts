// A visitor takes a model in int8: summarises with it, trains an adapter over it, and takes both along.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import type { BrowserContext } from "playwright-core";
import { expect } from "vitest";
import {
  loadLora,
  mergeLora,
  openDevice,
  summarize,
  T5ForConditionalGeneration,
  Tokenizer,
} from "../../src/index.ts";
import { PageDriver } from "./driver.ts";

const DIALOGUE =
  "#Person1#: Shall we meet at six?\n#Person2#: Six is fine. See you at the station.";
const INT8 = /weights in int8/;
const WEIGHTS = "model.safetensors";

/** What the page wrote and packed. */
interface TakenAlong {
  /** Before and after training. */
  readonly summaries: readonly [string, string];
  readonly adapter: ReadonlyMap<string, Blob>;
  /** The model before training, and with the adapter merged into it. */
  readonly plain: ReadonlyMap<string, Blob>;
  readonly merged: ReadonlyMap<string, Blob>;
}

interface Visit {
  readonly context: BrowserContext;
  readonly url: string;
  readonly query: string;
  /** An empty folder. */
  readonly folder: string;
}

export async function visitWithInt8(visit: Visit): Promise<void> {
  const driver = await PageDriver.open(visit.context, visit.url, visit);
  await driver.show("Model");
  await driver.choose("Weights are stored in", "int8");
  await driver.until("facts", INT8);
  const before = await summaryOf(driver);
  const plain = await packed(driver, "Model", visit.folder);
  await trainAdapter(driver);
  const after = await summaryOf(driver);
  const adapter = await packed(driver, "Adapter", visit.folder);
  const merged = await packed(driver, "Model", visit.folder);
  await compareWithNode({ summaries: [before, after], adapter, plain, merged });

  await chooseFiles(driver, plain);
  await driver.until("facts", INT8);
  expect(await summaryOf(driver)).toBe(before);
  await driver.show("Model");
  await driver.choose("Weights are stored in", "f32");
  await driver.until("facts", /weights in f32/);
  expect(driver.complaints).toEqual([]);
}

async function chooseFiles(driver: PageDriver, files: ReadonlyMap<string, Blob>): Promise<void> {
  await driver.show("Model");
  const chosen = [...files].map(async ([name, blob]) => ({
    ...{ name, mimeType: "application/octet-stream" },
    buffer: Buffer.from(await blob.arrayBuffer()),
  }));
  await driver.page.getByLabel("Choose files").setInputFiles(await Promise.all(chosen));
  await driver.until("model", /^dropped files$/);
}

async function summaryOf(driver: PageDriver): Promise<string> {
  await driver.show("Summarise");
  await driver.page.getByLabel("Dialogue", { exact: true }).fill(DIALOGUE);
  await driver.press("Summarise");
  await driver.until("speed", /tokens in/);
  return driver.text("summary");
}

async function trainAdapter(driver: PageDriver): Promise<void> {
  await driver.show("Fine-tune");
  await driver.choose("Train", "all weights");
  const train = driver.page.getByRole("button", { name: "Train", exact: true });
  expect(await train.isDisabled()).toBe(true);
  await driver.page.getByText(/^Weights in int8 cannot be trained\. Train an adapter/).waitFor();
  await driver.choose("Train", "a LoRA adapter");
  await driver.fill("Updates", 3);
  await driver.fill("Learning rate", 0.02);
  await driver.page.getByText("More arguments").click();
  await driver.fill("Rows to evaluate", 0);
  await driver.press("Train");
  await driver.until("run-status", /^Done$/);
  await driver.until("figures", /3 of 3/);
}

async function packed(
  driver: PageDriver,
  what: "Adapter" | "Model",
  folder: string,
): Promise<Map<string, Blob>> {
  await driver.show("Take along");
  const path = join(folder, `${what}.zip`);
  await driver.download(`Download: ${what}`, path);
  const files = Object.entries(unzipSync(await readFile(path)));
  return new Map(
    files.map(([name, bytes]) => [name, new Blob([bytes as Uint8Array<ArrayBuffer>])]),
  );
}

/** The same model in int8 with the page's adapter writes the same, and makes the same files. */
async function compareWithNode({ summaries, adapter, plain, merged }: TakenAlong): Promise<void> {
  const device = await openDevice("cpu", { threads: 2 });
  try {
    const options = { device, dtype: "int8" } as const;
    const model = await T5ForConditionalGeneration.fromPretrained("examples/model", options);
    const tokenizer = await Tokenizer.fromPretrained(plain);
    const write = () =>
      summarize(model, tokenizer, [DIALOGUE], { maxNewTokens: 60, numBeams: 1, doSample: false });
    const before = await write();
    expect(before).toEqual([summaries[0]]);
    await expectSame(plain, await model.toFiles());
    await loadLora(model, adapter);
    const after = await write();
    expect(after).not.toEqual(before);
    expect(after).toEqual([summaries[1]]);
    mergeLora(model);
    await expectSame(merged, await model.toFiles());
  } finally {
    await device.close();
  }
}

async function expectSame(
  actual: ReadonlyMap<string, Blob>,
  expected: ReadonlyMap<string, Blob>,
): Promise<void> {
  const config = JSON.parse(await actual.get("config.json")!.text()) as Record<string, unknown>;
  expect(config["quantization_config"]).toMatchObject({ quant_method: "gradloom_q8" });
  const [found, wanted] = await Promise.all(
    [actual, expected].map(async (files) => Buffer.from(await files.get(WEIGHTS)!.arrayBuffer())),
  );
  expect(found!.equals(wanted!), `${found!.length} bytes, ${wanted!.length} in Node`).toBe(true);
}
