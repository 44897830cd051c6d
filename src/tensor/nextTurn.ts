// A pause between two pieces of work, for the cpu device computes synchronously.

/** Of pages: who waits for a message of `port` to come. */
const waiting: (() => void)[] = [];
let port: MessagePort | undefined;

/** Lets timers, input and messages run: awaited between two batches, two tokens, two chunks of rows. */
export function nextTurn(): Promise<void> {
  // Node's setTimeout waits a millisecond.
  if (typeof setImmediate === "function") return new Promise((resolve) => setImmediate(resolve));
  // Browsers have no setImmediate, and their timers wait 4 ms, in hidden tabs a second. A message comes at once.
  return new Promise((resolve) => {
    waiting.push(resolve);
    port ??= openPort();
    port.postMessage(null);
  });
}

function openPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => waiting.shift()?.();
  return port2;
}
