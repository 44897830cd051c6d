// Elementwise kernels on tensors of which some lie in far memories (cpuMemory.ts): a window at a time, parts of those are copied
// near, and outputs back.

import { CpuStorage, type Block, type CpuMemory } from "./cpuMemory.ts";
import type { KernelTensor, Storage } from "./device.ts";
import { byteLength } from "./dtype.ts";
import { invariant } from "./errors.ts";

/** Elements of a far tensor that a kernel sees at a time: windows of 1 MiB stay in cache between copy and kernel. */
const WINDOW = 2 ** 18;

export function storageOf(storage: Storage): CpuStorage {
  invariant(storage instanceof CpuStorage, () => "storage of another device");
  return storage;
}

function isStreamed(memory: CpuMemory, x: KernelTensor, units: number): boolean {
  return x.size === units && !memory.isNear(storageOf(x.storage).block);
}

/** Blocks of the tensors that a kernel of `units` elements reads whole: they must lie near. */
export function nearBlocks(
  memory: CpuMemory,
  bound: readonly (KernelTensor | null)[],
  units: number,
): Set<Block> {
  const whole = bound.filter((x) => x !== null && !isStreamed(memory, x, units));
  return new Set(whole.map((x) => storageOf(x!.storage).block));
}

/** A kernel and its tensors, of which the first `inputs` are read. */
interface WindowedCall {
  readonly bound: readonly (KernelTensor | null)[];
  readonly inputs: number;
  readonly units: number;
  /** Blocks that must not move; the windows' are added. */
  readonly pinned: Set<Block>;
}

/** How a device makes room for windows and runs the kernel on `count` elements at `addresses`, to its end. */
interface WindowRunner {
  allocate(bytes: number): CpuStorage;
  run(addresses: readonly number[], count: number): void;
}

export function runInWindows(
  memory: CpuMemory,
  { bound, inputs, units, pinned }: WindowedCall,
  device: WindowRunner,
): void {
  const windows = bound.map((x) => {
    if (x === null || !isStreamed(memory, x, units)) return null;
    const window = device.allocate(byteLength(x.dtype, Math.min(WINDOW, units)));
    pinned.add(window.block);
    return window;
  });
  for (let first = 0; first < units; first += WINDOW) {
    const count = Math.min(WINDOW, units - first);
    const part = (x: KernelTensor): Uint8Array => {
      const [begin, end] = [byteLength(x.dtype, first), byteLength(x.dtype, first + count)];
      return memory.bytesOf(storageOf(x.storage)).subarray(begin, end);
    };
    const addresses = bound.map((x, i) => {
      if (x === null) return 0;
      const window = windows[i];
      if (window) {
        memory.bytesOf(window).set(part(x));
        return window.offset;
      }
      return storageOf(x.storage).offset + (x.size === units ? byteLength(x.dtype, first) : 0);
    });
    device.run(addresses, count);
    for (let i = inputs; i < bound.length; i++) {
      const [x, window] = [bound[i], windows[i]];
      if (!x || !window) continue;
      const target = part(x);
      target.set(memory.bytesOf(window).subarray(0, target.length));
    }
  }
  for (const window of windows) window?.release();
}
