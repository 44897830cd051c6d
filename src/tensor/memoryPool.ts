// WebAssembly memories for cpu devices. A memory cannot be given back to the system: it goes when a garbage collection finds it
// without holders, which nothing hastens, for the collector does not see its size. So a device that closes leaves its memories
// here, and the next one takes them: who opens and closes devices holds as much as the most that were open at once. The pool
// holds them weakly, so that the collector may still free what nobody takes.

import { DeviceError } from "./errors.ts";

export const PAGE = 65536;
/** What a 32-bit WebAssembly memory can hold. */
export const MOST_BYTES = 2 ** 32;

/** What is done with a memory before its first use. */
export type AdviseMemory = (memory: WebAssembly.Memory) => void;

let free: WeakRef<WebAssembly.Memory>[] = [];

/** Makes a memory that a CpuDevice and its kernels can share. @throws {DeviceError} where the system has no addresses left for one */
export function createMemory(): WebAssembly.Memory {
  if (typeof WebAssembly === "undefined") {
    throw new DeviceError(
      "openDevice: the cpu device needs WebAssembly, got a host without. Its memory is one also for plain kernels.",
    );
  }
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: MOST_BYTES / PAGE, shared: true });
  } catch (cause) {
    throw new DeviceError(
      "cpu: a device needs a WebAssembly memory of up to 4 GiB, got none from the system " +
        `(${String(cause)}). Close devices that are not in use; raise a limit on virtual memory (ulimit -v) or on ` +
        "WebAssembly (--wasm-max-mem-pages).",
      { cause },
    );
  }
}

/**
 * The largest memory that a closed device left, its old contents in it, or a new one.
 * @throws {DeviceError} as createMemory
 */
export function takeMemory(advise?: AdviseMemory): WebAssembly.Memory {
  const alive = free.flatMap((reference) => reference.deref() ?? []);
  alive.sort((a, b) => b.buffer.byteLength - a.buffer.byteLength);
  const [largest, ...others] = alive;
  free = others.map((memory) => new WeakRef(memory));
  const memory = largest ?? createMemory();
  advise?.(memory);
  return memory;
}

/** Leaves a memory to the next device. @param memory that no kernel, no thread and no view uses any more */
export function leaveMemory(memory: WebAssembly.Memory): void {
  free.push(new WeakRef(memory));
}
