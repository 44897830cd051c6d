// GPU buffers by size class. A freed buffer is handed out again at once: commands run in the order in which they were
// recorded, so what was recorded before still sees the old contents. Only writes from the host could overtake them;
// the command queue puts those in order too.

import { BufferUsage } from "./flags.ts";

/** Smallest class, and what classes are multiples of. */
const GRAIN = 256;
/** Classes to a power of two: at most an eighth of a buffer is unused. */
const STEPS = 8;

/** A GPUBuffer and what the device keeps about it. */
export interface PooledBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  /** Bytes, of the whole class. */
  readonly size: number;
  /** Number of the last recorded command that uses it; 0 for none. */
  lastUse: number;
}

/** Bytes of the class that holds `bytes`. */
export function sizeClass(bytes: number): number {
  if (bytes <= GRAIN * STEPS) return Math.max(GRAIN, Math.ceil(bytes / GRAIN) * GRAIN);
  const step = 2 ** Math.floor(Math.log2(bytes - 1)) / STEPS;
  return Math.ceil(bytes / step) * step;
}

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, PooledBuffer[]>();
  #nextId = 1;
  #freeBytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes of buffers that wait for their next use. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A buffer of at least `bytes`, its contents undefined. */
  take(bytes: number): PooledBuffer {
    const size = sizeClass(bytes);
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) {
      this.#freeBytes -= size;
      return free;
    }
    const id = this.#nextId++;
    const usage = BufferUsage.storage | BufferUsage.copySource | BufferUsage.copyTarget;
    return {
      id,
      gpu: this.#device.createBuffer({ label: `tensor ${id}`, size, usage }),
      size,
      lastUse: 0,
    };
  }

  give(buffer: PooledBuffer): void {
    this.#freeBytes += buffer.size;
    const list = this.#free.get(buffer.size);
    if (list) list.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }
}
