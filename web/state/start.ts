// What the page does when it opens: a device, the example model, the example rows.

import { call } from "./client.ts";
import { readData } from "./data.ts";
import { choiceInAddress, openDevice } from "./device.ts";
import { loadModel } from "./model.ts";
import { attempt } from "./notices.ts";
import { watchForLosses } from "./recovery.ts";
import { findStored } from "./stored.ts";
import { isBusy } from "./training.ts";

export function start(): Promise<void> {
  document.addEventListener("visibilitychange", saveWhenHidden);
  watchForLosses();
  return attempt(async () => {
    await openDevice(choiceInAddress());
    await loadModel({ from: "example", dtype: "f32" });
    await readData({ from: "example" });
    await findStored();
  });
}

/** A page that is hidden may be ended without a word. */
function saveWhenHidden(): void {
  if (document.visibilityState === "hidden" && isBusy.value) void call("saveSoon", {});
}
