// The worker: everything is computed here, so that the page answers meanwhile. Answers the calls of protocol/calls.ts.

import type { Method } from "../protocol/calls.ts";
import type { CallMessage, FromWorker, ToWorker } from "../protocol/envelope.ts";
import type { Handlers } from "./handler.ts";
import { attention } from "./attention.ts";
import { readData } from "./data.ts";
import { openBest } from "./device.ts";
import { checkGradient } from "./kernels/gradients.ts";
import { measureMatmul, measurePeak } from "./kernels/speed.ts";
import { errorData } from "./messages.ts";
import { loadModel } from "./models.ts";
import { deleteKept, listKept } from "./storage/kept.ts";
import { summarise } from "./summarise.ts";
import { makePackage, push } from "./takeAlong.ts";
import { discardRun, findRun } from "./training/storedRun.ts";
import { pauseTraining, saveSoon, train } from "./training/train.ts";

const handlers: Handlers = {
  ...{ openDevice: openBest, loadModel, listKept, deleteKept },
  ...{ summarise, attention, readData },
  ...{ train, pauseTraining, saveSoon, findRun, discardRun },
  ...{ makePackage, push, measurePeak, measureMatmul, checkGradient },
};

const running = new Map<number, AbortController>();

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("abort" in data) running.get(data.id)?.abort();
  else void answer(data);
});

async function answer<M extends Method>({ id, method, parameters }: CallMessage<M>): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  const emit = (event: unknown): void => send({ id, event });
  try {
    const result = await handlers[method](parameters, { signal: controller.signal, emit });
    send({ id, result });
  } catch (error) {
    send({ id, error: errorData(error) });
  } finally {
    running.delete(id);
  }
}

function send(message: FromWorker): void {
  postMessage(message);
}
