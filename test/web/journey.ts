// The journey of a visitor: rows are dropped, a run is cut short twice and taken up again, and the adapter goes to Node.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import type { BrowserContext } from "playwright-core";
import { expect } from "vitest";
import {
  loadDataset,
  loadLora,
  openDevice,
  preprocess,
  summarize,
  T5ForConditionalGeneration,
  Tokenizer,
  Trainer,
} from "../../src/index.ts";
import { PageDriver } from "./driver.ts";

const DIALOGUE =
  "#Person1#: Shall we meet at six?\n#Person2#: Six is fine. See you at the station.";
/** Columns that no default names. */
const COLUMNS = { sourceColumn: "chat", targetColumn: "gist" };
/** So many that a fast machine does not reach the last one before the page is left. */
const UPDATES = 24;

export interface Journey {
  readonly context: BrowserContext;
  readonly url: string;
  /** Of the page's address: which device. */
  readonly query: string;
  /** An empty folder. */
  readonly folder: string;
  /** Milliseconds; for devices that take their time. */
  readonly patience?: number;
}

/** Writes train.csv (32 rows) and validation.csv (6 rows) of the example's dialogues. */
export async function writeRows(folder: string): Promise<void> {
  const { train, validation } = await loadDataset("examples/data", { maxRows: { train: 32 } });
  const cell = (text: string | null): string => `"${(text ?? "").replaceAll('"', '""')}"`;
  for (const [name, rows] of [
    ["train", train!.rows],
    ["validation", validation!.rows.slice(0, 6)],
  ] as const) {
    const lines = rows.map((row) => `${cell(row["dialogue"]!)},${cell(row["summary"]!)}`);
    await writeFile(join(folder, `${name}.csv`), ["chat,gist", ...lines, ""].join("\n"));
  }
}

/** From the dropped rows to a run that is paused in its middle, with a checkpoint. */
export async function beginRun(journey: Journey, updates = UPDATES): Promise<PageDriver> {
  const { context, url, folder, ...options } = journey;
  const driver = await PageDriver.open(context, url, options);
  await driver.show("Fine-tune");
  await driver.until("data", /2,000 train, 100 validation, 150 test/);
  await driver.drop("#panel-fine-tune .drop", [
    join(folder, "train.csv"),
    join(folder, "validation.csv"),
  ]);
  await driver.until("data", /32 train, 6 validation/);
  expect(await driver.chosen("The model reads")).toBe("chat");
  expect(await driver.chosen("and learns to write")).toBe("gist");
  await driver.fill("Updates", updates);
  await driver.fill("Rows per batch", 4);
  await driver.page.getByText("More arguments").click();
  await driver.fill("Updates between log lines", 1);
  await driver.fill("Rows to evaluate", 4);
  await driver.fill("Updates between checkpoints", 50);
  await driver.press("Train");
  await driver.untilStep(2);
  // A page that nobody sees saves at once: checkpoints would be 50 updates apart.
  await driver.hide();
  await driver.until("figures", /Checkpoint\s*update \d/);
  await driver.pause();
  expect(await driver.points("Loss")).toBeGreaterThan(2);
  return driver;
}

/** Takes the stored run up, and pauses it again `updates` later. */
export async function resumeRun(driver: PageDriver, updates: number): Promise<number> {
  await driver.show("Fine-tune");
  await driver.until("stored-run", new RegExp(`interrupted.*\\d of ${UPDATES} updates`));
  const begun = Number(/(\d+) of/.exec(await driver.text("stored-run"))![1]);
  expect(begun).toBeGreaterThan(1);
  expect(begun).toBeLessThan(UPDATES);
  await driver.press(`Resume from update ${begun}`);
  if (updates === 0) return begun;
  await driver.untilStep(begun + updates);
  await driver.pause();
  return begun;
}

/** Waits for the end, and compares what the page computed with what Node computes with the adapter. */
export async function finishRun(driver: PageDriver, folder: string): Promise<void> {
  await driver.until("run-status", /^Done$/);
  await driver.until("figures", new RegExp(`${UPDATES} of ${UPDATES}`));
  await driver.until("rouge", /ROUGE-1/);
  const logged = await driver.points("Learning rate");
  expect(logged).toBe(UPDATES);
  await driver.show("Take along");
  await driver.download("Download: Adapter", join(folder, "adapter.zip"));
  await driver.download("Download: Report", join(folder, "report.html"));
  await driver.show("Summarise");
  await driver.page.getByLabel("Dialogue", { exact: true }).fill(DIALOGUE);
  await driver.press("Summarise");
  await driver.until("speed", /tokens in/);
  const summary = await driver.text("summary");
  const report = await readFile(join(folder, "report.html"), "utf8");
  expect(report).toContain("training loss");
  await compareWithNode(folder, summary);
}

interface StoredState {
  readonly log_history: readonly Readonly<Record<string, number>>[];
}

/** The loss over the evaluation rows is that of their logits: it tells one adapter from another in its sixth digit. */
async function compareWithNode(folder: string, summary: string): Promise<void> {
  const files = Object.entries(unzipSync(await readFile(join(folder, "adapter.zip"))));
  const names = files.map(([name]) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      ...["adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md"],
      ...["training_args.json", "trainer_state.json"],
    ]),
  );
  const blobs = new Map(
    files.map(([name, bytes]) => [name, new Blob([bytes as Uint8Array<ArrayBuffer>])]),
  );
  const state = JSON.parse(await blobs.get("trainer_state.json")!.text()) as StoredState;
  const expected = state.log_history.findLast((line) => line["eval_loss"] !== undefined)![
    "eval_loss"
  ]!;

  const device = await openDevice("cpu", { threads: 2 });
  try {
    const model = await T5ForConditionalGeneration.fromPretrained("examples/model", { device });
    const tokenizer = await Tokenizer.fromPretrained(blobs);
    await loadLora(model, blobs);
    const { validation } = await loadDataset(folder, { ...COLUMNS, maxRows: { validation: 4 } });
    const evalDataset = await preprocess(validation!, tokenizer, COLUMNS);
    const args = { saveStrategy: "no", reportTo: "none", disableTqdm: true } as const;
    const trainer = new Trainer({ model, tokenizer, evalDataset, args });
    const { eval_loss: actual } = await trainer.evaluate();
    expect(
      Math.abs(actual! / expected - 1),
      `${actual} in Node, ${expected} in the page`,
    ).toBeLessThan(1e-5);
    const options = { maxNewTokens: 60, numBeams: 1, doSample: false };
    expect(await summarize(model, tokenizer, [DIALOGUE], options)).toEqual([summary]);
  } finally {
    await device.close();
  }
}
