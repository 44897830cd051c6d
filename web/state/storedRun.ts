// A run that a reload, a crash or a lost device cut short.

import { call } from "./client.ts";
import { settings, stored, train } from "./training.ts";

/** Goes on from the newest checkpoint, with the rows, the model and the arguments that the run had. */
export async function resumeStored(): Promise<void> {
  if (stored.value === null) return;
  settings.value = stored.value.settings;
  await train(true);
}

export async function discardRun(): Promise<void> {
  await call("discardRun", {});
  stored.value = null;
}
