// A lost device or a worker that ended: say so, begin anew, and go on with the run where its last checkpoint is.

import { endWorker, whenWorkerCrashes } from "./client.ts";
import { lastData, readData } from "./data.ts";
import { device, deviceKind, openDevice } from "./device.ts";
import { loadAgain, model } from "./model.ts";
import { recoverWith, say, sayError } from "./notices.ts";
import { findStored, stored } from "./stored.ts";
import { resumeStored } from "./storedRun.ts";
import { isBusy, status } from "./training.ts";

/** Losses in a row: a GPU that is lost again at once will not come back. */
const MOST_LOSSES = 3;
let losses = 0;

export function watchForLosses(): void {
  recoverWith(async (error) => {
    if (!isLoss(error)) return false;
    await beginAnew(error.message);
    return true;
  });
  whenWorkerCrashes((reason) => void beginAnew(reason));
}

/** From the worker come the names of the library's errors, not their classes. */
function isLoss(error: unknown): error is Error {
  return error instanceof Error && error.name === "DeviceLostError";
}

async function beginAnew(reason: string): Promise<void> {
  const wasTraining = isBusy.value || status.value === "interrupted";
  if (++losses > MOST_LOSSES) {
    sayError(`${reason} It was lost ${losses} times: reload the page.`);
    return;
  }
  sayError(`The device was lost: ${reason} Opening it again.`);
  endWorker(reason);
  model.value = null;
  try {
    await openDevice({ kind: deviceKind.value }).catch(() => openDevice({ kind: "cpu" }));
    await loadAgain();
    await readData(lastData.value);
    await findStored();
    if (!wasTraining || stored.value === null) {
      say(`The device was lost and opened again: ${device.value!.label}.`);
      return;
    }
    say(
      `The device was lost and opened again: ${device.value!.label}. The run goes on from update ${stored.value.step}.`,
    );
    await resumeStored();
    losses = 0;
  } catch (error) {
    sayError(error);
  }
}
