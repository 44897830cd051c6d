// A run that a reload, a crash or a lost device cut short.

import { batch } from "@preact/signals";
import { call } from "./client.ts";
import { sourceColumn, targetColumn } from "./data.ts";
import { stored } from "./stored.ts";
import { log, settings, train } from "./training.ts";

/** Goes on from the newest checkpoint, with the rows, the model and the arguments that the run had. */
export async function resumeStored(): Promise<void> {
  const found = stored.value;
  if (found === null) return;
  batch(() => {
    settings.value = found.settings;
    sourceColumn.value = found.columns.source;
    targetColumn.value = found.columns.target;
    log.value = found.log;
  });
  await train(true);
}

export async function discardRun(): Promise<void> {
  await call("discardRun", {});
  stored.value = null;
}
