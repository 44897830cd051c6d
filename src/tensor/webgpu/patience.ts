// Waiting for the GPU. Dawn in Node asks for news at every turn of the event loop, which keeps a core busy as long as one
// waits; a software adapter needs that core. So after a moment each turn sleeps a little: a tenth of what one has waited.

import { isNode } from "../runtime.ts";

/** Ms without sleep: what takes no longer is not delayed. */
const EAGER = 1;
/** Longest sleep of a turn, in ms: how late timers and input may be while one waits. */
const LONGEST_SLEEP = 1;
const SHARE = 0.1;

/** Deno has Node's globals and its own WebGPU. */
const isDawn = isNode && !("Deno" in globalThis);

/** `promise`, without keeping a core busy until it settles. */
export async function patiently<T>(promise: Promise<T>): Promise<T> {
  if (!isDawn) return promise;
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  const bell = new Int32Array(new SharedArrayBuffer(4));
  const begun = performance.now();
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    const waited = performance.now() - begun;
    if (!settled && waited > EAGER) {
      Atomics.wait(bell, 0, 0, Math.min(SHARE * waited, LONGEST_SLEEP));
    }
  }
  return promise;
}
