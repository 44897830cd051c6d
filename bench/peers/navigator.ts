// The global that libraries for browsers look at. Node 20 has none, and none that Node has knows a GPU.

import { cpus } from "node:os";
import { create, globals } from "webgpu";
import { DAWN_OPTIONS } from "../../src/tensor/webgpu/adapter.ts";

/** Held for good: when Dawn's object is collected, the process aborts. */
let dawn: GPU | undefined;

export function giveNavigator(): void {
  if ("navigator" in globalThis) return;
  const value = { hardwareConcurrency: cpus().length, userAgent: `Node.js ${process.version}` };
  Object.defineProperty(globalThis, "navigator", { value });
}

/** From now on navigator.gpu is Dawn's object, for all sides the same one; and WebGPU's flags are globals. */
export function giveGpu(): void {
  giveNavigator();
  dawn ??= create([...DAWN_OPTIONS]);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis.navigator, "gpu", { value: dawn });
}
