// The run that the browser keeps: what was asked, and the checkpoints that the library's Trainer writes. One at a time.

import type { DataChoice } from "../../protocol/data.ts";
import type { ModelChoice } from "../../protocol/model.ts";
import type { LogLine, StoredRun, TrainRequest } from "../../protocol/training.ts";
import { HOME, list, readFile, remove, writeBlob } from "./folders.ts";
import { hold } from "./locks.ts";

const RUN = `${HOME}/run`;
const RECORD = `${RUN}/run.json`;
/** The Trainer's outputDir. */
export const CHECKPOINTS = `${RUN}/checkpoints`;

/** A choice without what must not be stored: tokens, and files, which lie in a folder of their own. */
export interface RunRecord {
  readonly model: ModelChoice;
  readonly data: DataChoice;
  readonly modelName: string;
  readonly dataName: string;
  readonly request: TrainRequest;
}

/**
 * This tab's run is the one that the browser keeps.
 * @returns lets go of it
 * @throws {Error} while another tab trains
 */
export async function holdRun(): Promise<() => void> {
  const letGo = await hold(RUN, "exclusive");
  if (letGo === null) {
    throw new Error(
      "Another tab of this page trains, and one run at a time is kept. Stop it there, or wait for its end.",
    );
  }
  return letGo;
}

export async function writeRecord(record: RunRecord): Promise<void> {
  const { model, data } = record;
  const text = JSON.stringify({ ...record, model: withoutToken(model), data: withoutToken(data) });
  await writeBlob(RECORD, new Blob([text]));
}

/** Downloads are in the cache by then; what is missing there needs the token to be typed again. */
function withoutToken<T extends ModelChoice | DataChoice>(choice: T): T {
  return choice.from === "hub" ? { ...choice, hub: { ...choice.hub, token: "" } } : choice;
}

export async function readRecord(): Promise<RunRecord | null> {
  const file = await readFile(RECORD);
  if (file === null) return null;
  try {
    return JSON.parse(await file.text()) as RunRecord;
  } catch {
    return null; // the page was ended while it was written
  }
}

/** null without a run, before its first checkpoint, and while another tab is at it. */
export async function findStoredRun(): Promise<StoredRun | null> {
  const letGo = await hold(RUN, "exclusive");
  try {
    return letGo && (await storedRun());
  } finally {
    letGo?.();
  }
}

async function storedRun(): Promise<StoredRun | null> {
  const record = await readRecord();
  const newest = await newestCheckpoint();
  if (record === null || newest === null) return null;
  const state = await readFile(`${CHECKPOINTS}/${newest.name}/trainer_state.json`);
  if (state === null) return null;
  const { log_history: log, max_steps: maxSteps } = JSON.parse(await state.text()) as {
    readonly log_history: readonly LogLine[];
    readonly max_steps: number;
  };
  const { modelName, dataName, request } = record;
  const { columns, settings } = request;
  return { modelName, dataName, columns, settings, step: newest.step, maxSteps, log };
}

async function newestCheckpoint(): Promise<{
  readonly name: string;
  readonly step: number;
} | null> {
  const found = (await list(CHECKPOINTS)).flatMap(({ name }) => {
    const [, step] = /^checkpoint-(\d+)$/.exec(name) ?? [];
    return step === undefined ? [] : [{ name, step: Number(step) }];
  });
  return found.sort((a, b) => b.step - a.step)[0] ?? null;
}

export function removeRun(): Promise<void> {
  return remove(RUN);
}
