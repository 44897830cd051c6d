/** Lets timers, signals and other work run. Training awaits it between two batches. */
export function nextTurn(): Promise<void> {
  // Browsers have no setImmediate, and Node's setTimeout waits a millisecond.
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
