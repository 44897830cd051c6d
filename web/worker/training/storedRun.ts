// The run that a reload, a crash or a lost device cut short: found, taken up again, or let go.

import type { StoredRun } from "../../protocol/training.ts";
import { readData } from "../data.ts";
import type { CallContext } from "../handler.ts";
import { loadModel } from "../models.ts";
import { theModel, session } from "../session.ts";
import { hasFolders } from "../storage/folders.ts";
import { findStoredRun, readRecord, removeRun } from "../storage/runs.ts";

export async function findRun(): Promise<StoredRun | null> {
  return hasFolders() ? findStoredRun() : null;
}

export async function discardRun(): Promise<null> {
  await removeRun();
  return null;
}

/** Model and rows of the stored run, unless they are the ones that are there. @throws {Error} without a stored run */
export async function restore(
  signal: AbortSignal,
  emit: CallContext<"train">["emit"],
): Promise<void> {
  const record = await readRecord();
  if (record === null) throw new Error("No run is kept here that could go on.");
  const context = { signal, emit: () => undefined };
  if (!isSame(session.loaded?.choice, record.model) || theModel().isTrained) {
    await loadModel(record.model, context);
  }
  const isThere = isSame(session.data?.choice, record.data);
  const data = isThere ? null : await readData(record.data, context);
  emit({ type: "restored", model: theModel().facts, data });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
