// Calls of kernels on the cpu device that are run again: the same functions on the same addresses. Between two tokens of a
// text nothing else changes than what lies in the tensors, and to find out anew what to run where takes a millisecond a token.
//
// What kernels wrote while they were recorded is the recording's own memory. It is given to later calls as soon as a tensor of it is
// disposed, as the allocator would do, but to nobody else before the recording is.

import type { CpuMemory } from "./cpuMemory.ts";
import { CpuStorage } from "./cpuMemory.ts";
import type { Recording } from "./device.ts";
import { MOST_JOBS, type Job } from "./threadPool.ts";

/** Bytes from an address to another. */
interface Range {
  readonly begin: number;
  readonly end: number;
}

/** A call of a kernel that can be run again. */
export interface PreparedCall {
  readonly run: () => void;
  /** What threads share; null where the calling thread runs it, or others do in their turn. */
  readonly job: Job | null;
}

/** The storages of a call, null for those that are left out. */
export interface CallStorages {
  readonly reads: readonly (CpuStorage | null)[];
  readonly writes: readonly (CpuStorage | null)[];
  readonly scratch: CpuStorage | null;
}

/** A call that was recorded. */
interface Call {
  run(): void;
  /** What threads share, and which bytes it reads and writes; null for a call of the calling thread. */
  readonly shared: SharedCall | null;
}

interface SharedCall {
  readonly job: Job;
  readonly reads: readonly Range[];
  readonly writes: readonly Range[];
  /** What its threads use meanwhile. */
  readonly scratch: readonly Range[];
}

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

  /** Notes work of the calling thread that reads and writes what calls beside it do. */
  add(run: () => void): void {
    this.#calls.push({ run, shared: null });
  }

  /** Notes a call of a kernel. */
  addCall({ run, job }: PreparedCall, storages: CallStorages): void {
    const { reads, writes, scratch } = storages;
    for (const storage of [...reads, ...writes]) {
      if (storage && !this.#own.has(storage)) this.#foreign.add(storage);
    }
    const ranges = {
      reads: rangesOf(reads),
      writes: rangesOf(writes),
      scratch: rangesOf([scratch]),
    };
    this.#calls.push({ run, shared: job && { job, ...ranges } });
  }

  /** Something happened that only its own code can do again. */
  giveUp(): void {
    this.#canRepeat = false;
  }

  /**
   * @param begin told of a replay; false where the device refuses it
   * @param together what runs jobs of which none needs another
   */
  finish(begin: () => boolean, together: (jobs: readonly Job[]) => () => void): Recording | null {
    const isHere = (): boolean => this.#memory.movedBytes === this.#moved;
    if (!this.#canRepeat || !isHere()) {
      this.dispose();
      return null;
    }
    const calls = groupsOf(this.#calls).map((group) =>
      group[0]!.shared ? together(group.map(({ shared }) => shared!.job)) : () => group[0]!.run(),
    );
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

function rangesOf(storages: readonly (CpuStorage | null)[]): Range[] {
  return storages.flatMap((storage) =>
    storage ? [{ begin: storage.offset, end: storage.offset + storage.byteLength }] : [],
  );
}

/**
 * Neighbours that threads can take at a time, for none needs what another writes: the projections of one input. A thread waits
 * for the others once and not after each.
 */
function groupsOf(calls: readonly Call[]): Call[][] {
  const groups: Call[][] = [];
  for (const call of calls) {
    const group = groups.at(-1);
    const joins =
      group !== undefined &&
      group.length < MOST_JOBS &&
      group.every(({ shared }) => shared && call.shared && areIndependent(shared, call.shared));
    if (joins) group.push(call);
    else groups.push([call]);
  }
  return groups;
}

function areIndependent(a: SharedCall, b: SharedCall): boolean {
  const disturbs = (x: SharedCall, y: SharedCall): boolean =>
    overlap([...x.writes, ...x.scratch], [...y.reads, ...y.writes]);
  return (
    !disturbs(a, b) && !disturbs(b, a) && (haveOneScratch(a, b) || !overlap(a.scratch, b.scratch))
  );
}

/** A thread uses its part for one chunk at a time, so that calls may have the same parts. */
function haveOneScratch(a: SharedCall, b: SharedCall): boolean {
  return a.job.scratch === b.job.scratch && a.job.scratchBytes === b.job.scratchBytes;
}

function overlap(some: readonly Range[], others: readonly Range[]): boolean {
  return some.some((a) => others.some((b) => a.begin < b.end && b.begin < a.end));
}
