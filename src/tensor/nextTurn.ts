// A pause between two pieces of work, for the cpu device computes synchronously.

/** Lets timers, input and messages run: awaited between two batches, two tokens, two chunks of rows. */
export function nextTurn(): Promise<void> {
  // Browsers have no setImmediate, and Node's setTimeout waits a millisecond.
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
