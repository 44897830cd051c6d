// What the page runs, and its worker. The library comes from its package as any page's would; esbuild bundles this file.

import * as gradloom from "gradloom";
import { continueText, logitsOf, measure, reloadAdapter, trainWith } from "./measure.ts";
import { storeTasks } from "./storeTasks.ts";

const tasks = {
  async measure(kind, options) {
    const device = await gradloom.openDevice(kind, options);
    const { threads } = device;
    const figures = await measure(gradloom, device);
    await device.close();
    return { ...figures, kind: device.kind, threads };
  },

  async continueText(names, text) {
    const files = new Map();
    for (const name of names) files.set(name, await (await fetch(`/model/${name}`)).blob());
    const device = await gradloom.openDevice("cpu");
    return continueText(gradloom, device, files, text);
  },

  async reloadAdapter() {
    return reloadAdapter(gradloom, await gradloom.openDevice("cpu"));
  },

  trainWith: (args) => trainWith(gradloom, args),
  logitsOf: (source, options) => logitsOf(gradloom, source, options),

  ...storeTasks(gradloom),

  async readFolder(source) {
    const device = await gradloom.openDevice("cpu", { threads: 1 });
    return gradloom.T5ForConditionalGeneration.fromPretrained(source, { device });
  },

  async saveFolder() {
    const device = await gradloom.openDevice("cpu", { threads: 1 });
    const weight = gradloom.zeros([2], { device });
    return gradloom.writeSafetensors("folder/file", { weight });
  },
};

/** The result, or the error's name and message. */
async function run(task, parameters) {
  try {
    return { result: await tasks[task](...parameters) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

if (typeof window === "undefined") {
  onmessage = async ({ data: { task, parameters } }) => postMessage(await run(task, parameters));
} else {
  globalThis.run = run;
  globalThis.runInWorker = (task, parameters) =>
    new Promise((resolve, reject) => {
      const worker = new Worker("/bundle/page.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage({ task, parameters });
    });
}
