// GPU buffers by size class. A freed buffer is handed out again at once: commands run in the order in which they were
// recorded, so what was recorded before still sees the old contents. Only writes from the host could overtake them;
// the command queue puts those in order too.

import { OutOfMemoryError } from "../errors.ts";
import { BufferUsage } from "./flags.ts";

/** Smallest class, and what classes are multiples of, in bytes. */
const GRAIN = 256;
/** Classes to a power of two: at most an eighth of a buffer is unused. */
const STEPS = 8;
/**
 * Buffers may take this many times the most bytes that were in use at one moment. More would wait for lengths that
 * do not come again; less would make buffers anew for lengths that do.
 */
const SLACK = 1.25;

/** A GPUBuffer and what the device keeps about it. */
export interface PooledBuffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  /** Bytes, of the whole class. */
  readonly size: number;
  /** Number of the last recorded command that uses it; 0 for none. */
  lastUse: number;
  /** Set when it is destroyed, or turned out to have no memory. */
  isGone: boolean;
}

/** What the pool needs of the rest of the device. */
export interface PoolOwner {
  /** Whether every command that uses the buffer has been submitted. */
  isSubmitted(buffer: PooledBuffer): boolean;
  /** Called before a buffer is destroyed, and for one without memory. */
  forget(buffer: PooledBuffer): void;
  /** Called when the GPU has no memory for a buffer, some time after it was made. */
  fail(error: Error): void;
}

/** Bytes of the class that holds `bytes`. */
export function sizeClass(bytes: number): number {
  if (bytes <= GRAIN * STEPS) return Math.max(GRAIN, Math.ceil(bytes / GRAIN) * GRAIN);
  const step = 2 ** Math.floor(Math.log2(bytes - 1)) / STEPS;
  return Math.ceil(bytes / step) * step;
}

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #owner: PoolOwner;
  /** Of each class the free buffers, by descending id: equal steps then get equal buffers, and bind groups fit again. */
  readonly #classes = new Map<number, PooledBuffer[]>();
  /** The free buffers, longest unused first. */
  readonly #idle = new Set<PooledBuffer>();
  /** Buffers made and not yet known to have their memory. */
  readonly #unproven = new Set<Promise<void>>();
  /** Buffers in use that turned out to have no memory: they are not handed out again. */
  readonly #void = new Set<PooledBuffer>();
  #nextId = 1;
  #usedBytes = 0;
  #mostUsedBytes = 0;
  #freeBytes = 0;

  constructor(device: GPUDevice, owner: PoolOwner) {
    this.#device = device;
    this.#owner = owner;
  }

  /** Bytes of buffers that wait for their next use. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /**
   * A buffer of at least `bytes`, its contents undefined.
   * @throws {OutOfMemoryError} for more bytes than a buffer can have
   */
  take(bytes: number): PooledBuffer {
    const size = sizeClass(bytes);
    const buffer = this.#takeFree(size) ?? this.#create(size, bytes);
    this.#usedBytes += buffer.size;
    this.#mostUsedBytes = Math.max(this.#mostUsedBytes, this.#usedBytes);
    return buffer;
  }

  give(buffer: PooledBuffer): void {
    this.#usedBytes -= buffer.size;
    if (this.#void.delete(buffer)) return this.#owner.forget(buffer);
    this.#freeBytes += buffer.size;
    this.#idle.add(buffer);
    const list = this.#classes.get(buffer.size);
    if (list === undefined) this.#classes.set(buffer.size, [buffer]);
    else list.splice(descendingPosition(list, buffer.id), 0, buffer);
  }

  /** Resolves when every buffer made so far has its memory, or the owner knows that it has not. */
  async proven(): Promise<void> {
    await Promise.all(this.#unproven);
  }

  #takeFree(size: number): PooledBuffer | undefined {
    const buffer = this.#classes.get(size)?.pop();
    if (buffer !== undefined) {
      this.#idle.delete(buffer);
      this.#freeBytes -= size;
    }
    return buffer;
  }

  #create(size: number, bytes: number): PooledBuffer {
    const { maxBufferSize } = this.#device.limits;
    if (bytes > maxBufferSize) {
      throw new OutOfMemoryError(
        `webgpu: a tensor must fit in a buffer of ${maxBufferSize} bytes on this adapter, got ${bytes}. ` +
          "Use smaller tensors, or the cpu device.",
      );
    }
    const whole = Math.min(size, maxBufferSize - (maxBufferSize % GRAIN));
    this.#destroyIdle(SLACK * Math.max(this.#mostUsedBytes, this.#usedBytes + whole) - whole);
    const id = this.#nextId++;
    this.#device.pushErrorScope("out-of-memory");
    const gpu = this.#device.createBuffer({
      label: `tensor ${id}`,
      size: whole,
      usage: BufferUsage.storage | BufferUsage.copySource | BufferUsage.copyTarget,
    });
    const buffer = { id, gpu, size: whole, lastUse: 0, isGone: false };
    this.#prove(buffer, bytes);
    return buffer;
  }

  #prove(buffer: PooledBuffer, bytes: number): void {
    const gib = ((this.#usedBytes + bytes) / 2 ** 30).toFixed(2);
    const proof = this.#device.popErrorScope().then(
      (error) => {
        if (error === null) return;
        if (this.#idle.has(buffer)) this.#drop(buffer);
        else this.#void.add(buffer);
        this.#owner.fail(
          new OutOfMemoryError(
            `webgpu: tensors must fit in the memory of the GPU, got a request for ${bytes} bytes with ${gib} GiB in use. ` +
              "Use a smaller batch, shorter sequences, gradient checkpointing or LoRA.",
          ),
        );
      },
      () => undefined, // The device is lost, and tells so itself.
    );
    this.#unproven.add(proof);
    void proof.then(() => this.#unproven.delete(proof));
  }

  /** Destroys free buffers, longest unused first, until all buffers take no more than `bytes`. */
  #destroyIdle(bytes: number): void {
    for (const buffer of this.#idle) {
      if (this.#usedBytes + this.#freeBytes <= bytes) return;
      // A buffer destroyed before its commands are submitted would spoil the whole submission.
      if (!this.#owner.isSubmitted(buffer)) continue;
      this.#drop(buffer);
      buffer.gpu.destroy();
    }
  }

  /** Takes a free buffer out of the pool. */
  #drop(buffer: PooledBuffer): void {
    this.#idle.delete(buffer);
    this.#freeBytes -= buffer.size;
    const list = this.#classes.get(buffer.size)!;
    list.splice(list.indexOf(buffer), 1);
    this.#owner.forget(buffer);
  }
}

/** Where `id` belongs in a list of descending ids. */
function descendingPosition(list: readonly PooledBuffer[], id: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.id > id) low = middle + 1;
    else high = middle;
  }
  return low;
}
