// Waiting for the GPU. Dawn in Node asks for news at every turn of the event loop, which keeps a core busy as long as one
// waits; a software adapter needs that core. So after a moment each turn sleeps a little.

/** Turns without sleep: short waits stay short. */
const EAGER_TURNS = 20;
/** Longest sleep of a turn, in ms: how late timers and input may be while one waits. */
const LONGEST_SLEEP = 1;

/** Deno has Node's globals and its own WebGPU. */
const isNode =
  typeof process === "object" && process.versions?.node !== undefined && !("Deno" in globalThis);

/** `promise`, without keeping a core busy until it settles. */
export async function patiently<T>(promise: Promise<T>): Promise<T> {
  if (!isNode) return promise;
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  const bell = new Int32Array(new SharedArrayBuffer(4));
  for (let turn = 0; !settled; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!settled && turn >= EAGER_TURNS) Atomics.wait(bell, 0, 0, LONGEST_SLEEP);
  }
  return promise;
}
