// Commands of the webgpu device that are given again: the same pipelines, bind groups, params and grids. Between two tokens of a
// text nothing else changes than what lies in the tensors, and to find out anew what to dispatch takes some milliseconds a token.
//
// Buffers that were taken while it was recorded are the recording's own. They are given to its later calls as soon as their tensor is
// disposed, as the pool would do, but to nobody else before the recording is: a replay writes to all of them.

import type { KernelParams, Recording } from "../device.ts";
import type { PooledBuffer } from "./bufferPool.ts";
import { sizeClass } from "./bufferPool.ts";
import type { CommandQueue } from "./commandQueue.ts";
import type { Grid } from "./commands.ts";
import type { BoundBuffer } from "./bindGroups.ts";
import type { PackedParams } from "./paramsArena.ts";
import type { Pipeline } from "./pipelines.ts";
import type { WebGpuStorage } from "./storage.ts";

/** A dispatch that can be given again. */
export interface RecordedDispatch {
  readonly pipeline: Pipeline;
  readonly bound: readonly BoundBuffer[];
  readonly params: PackedParams | null;
  /** Of those params that vary. */
  readonly values: KernelParams;
  readonly grid: Grid;
}

/** What the recording needs of its device. */
export interface RecordingOwner {
  readonly queue: CommandQueue;
  /** Takes a buffer that no tensor and no recording has any more. */
  give(buffer: PooledBuffer): void;
  /** Told of a replay of so many kernels; false where the device refuses it. */
  begin(kernels: number): boolean;
}

/** Listens to a device while commands are recorded. */
export class WebGpuRecorder {
  readonly #owner: RecordingOwner;
  readonly #commands: (() => void)[] = [];
  /** Storages that others made. */
  readonly #foreign = new Set<WebGpuStorage>();
  readonly #own = new Set<PooledBuffer>();
  /** Own buffers that no tensor has, by their class. */
  readonly #free = new Map<number, PooledBuffer[]>();
  readonly #used = new Set<PooledBuffer>();
  #canRepeat = true;
  #disposed = false;

  constructor(owner: RecordingOwner) {
    this.#owner = owner;
  }

  /** A buffer for `bytes`. @param take from the pool, for what the recording has no free one of */
  take(bytes: number, take: () => PooledBuffer): PooledBuffer {
    const buffer = this.#free.get(sizeClass(bytes))?.pop() ?? take();
    this.#own.add(buffer);
    return buffer;
  }

  /** Takes a buffer back that `take` gave. */
  give(buffer: PooledBuffer): void {
    if (this.#disposed) {
      this.#owner.give(buffer);
      return;
    }
    const free = this.#free.get(buffer.size);
    if (free) free.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  /** Notes a storage that a command reads or writes. */
  uses(storage: WebGpuStorage): void {
    if (!this.#own.has(storage.buffer)) this.#foreign.add(storage);
    this.#used.add(storage.buffer);
  }

  addDispatch({ pipeline, bound, params, values, grid }: RecordedDispatch): void {
    const { queue } = this.#owner;
    const again = queue.prepare(pipeline, bound, grid);
    this.#commands.push(() => again(params && queue.params.put(params, values)));
  }

  /** Notes a command that is no dispatch. */
  add(command: () => void): void {
    this.#commands.push(command);
  }

  /** Something happened that only its own code can do again. */
  giveUp(): void {
    this.#canRepeat = false;
  }

  /** @param kernels that were dispatched */
  finish(kernels: number): Recording | null {
    if (!this.#canRepeat) {
      this.dispose();
      return null;
    }
    const foreign = [...this.#foreign];
    const used = [...this.#used];
    const stands = (): boolean => !this.#disposed && foreign.every(({ isHeld }) => isHeld);
    return {
      replay: () => {
        if (!stands() || !this.#owner.begin(kernels)) return false;
        for (const command of this.#commands) command();
        this.#owner.queue.touch(used);
        return true;
      },
      dispose: () => this.dispose(),
    };
  }

  /** Gives back what no tensor has; the rest follows with its tensors. */
  dispose(): void {
    this.#disposed = true;
    for (const buffers of this.#free.values())
      for (const buffer of buffers) this.#owner.give(buffer);
    this.#free.clear();
  }
}
