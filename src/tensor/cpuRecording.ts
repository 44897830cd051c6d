// Calls of kernels on the cpu device that are run again: the same functions on the same addresses. Between two tokens of a
// text nothing else changes than what lies in the tensors, and to find out anew what to run where takes a millisecond a token.
//
// What kernels wrote while they were recorded is the recording's own memory. It is given to later calls as soon as a tensor of it is
// disposed, as the allocator would do, but to nobody else before the recording is.

import type { CpuMemory } from "./cpuMemory.ts";
import { CpuStorage } from "./cpuMemory.ts";
import type { Recording } from "./device.ts";

/** What runs a call again. */
type Call = () => void;

/** Listens to a device while calls are recorded. */
export class CpuRecorder {
  readonly #memory: CpuMemory;
  readonly #calls: Call[] = [];
  /** Storages that others made. */
  readonly #foreign = new Set<CpuStorage>();
  readonly #own = new Set<CpuStorage>();
  /** Own storages that no tensor has, by their bytes. */
  readonly #free = new Map<number, CpuStorage[]>();
  /** Bytes that had moved between memories when it began: addresses hold as long as no more do. */
  readonly #moved: number;
  #canRepeat = true;
  #disposed = false;

  constructor(memory: CpuMemory) {
    this.#memory = memory;
    this.#moved = memory.movedBytes;
  }

  /** Storage as `allocate` of the device makes it. @param make for what the recording has no free one of */
  allocate(bytes: number, make: () => CpuStorage): CpuStorage {
    const real = this.#free.get(bytes)?.pop() ?? make();
    const lent = new CpuStorage(real.block, 0, bytes, () => {
      this.#own.delete(lent);
      this.#take(real);
    });
    this.#own.add(lent);
    return lent;
  }

  /** Notes a call. @param storages that it reads or writes, null where one is left out */
  add(call: Call, storages: Iterable<CpuStorage | null>): void {
    this.#calls.push(call);
    for (const storage of storages) {
      if (storage && !this.#own.has(storage)) this.#foreign.add(storage);
    }
  }

  /** Something happened that only its own code can do again. */
  giveUp(): void {
    this.#canRepeat = false;
  }

  /** @param begin told of a replay; false where the device refuses it */
  finish(begin: () => boolean): Recording | null {
    const isHere = (): boolean => this.#memory.movedBytes === this.#moved;
    if (!this.#canRepeat || !isHere()) {
      this.dispose();
      return null;
    }
    const calls = this.#calls;
    const foreign = [...this.#foreign];
    const stands = (): boolean =>
      !this.#disposed && isHere() && foreign.every((storage) => storage.isHeld);
    return {
      replay: () => {
        if (!stands() || !begin()) return false;
        for (const call of calls) call();
        return true;
      },
      dispose: () => this.dispose(),
    };
  }

  /** Gives back what no tensor has; the rest follows with its tensors. */
  dispose(): void {
    this.#disposed = true;
    for (const storages of this.#free.values()) for (const storage of storages) storage.release();
    this.#free.clear();
  }

  #take(real: CpuStorage): void {
    if (this.#disposed) {
      real.release();
      return;
    }
    const free = this.#free.get(real.byteLength);
    if (free) free.push(real);
    else this.#free.set(real.byteLength, [real]);
  }
}
