// Threads that compute while the calling one goes on (`openDevice("cpu", { background: true })`): jobs wait in a ring in the shared
// memory, in the order in which they were recorded, and workers alone run them, one job after another, each by all workers.
// Whoever finishes the last chunk of a job starts the next. The calling thread never waits unless it asks to (`drain`), so a
// program that trains answers requests meanwhile.
//
// A kernel without a WebAssembly body is a host job: when its turn comes, the calling thread runs it, at its next call or at the next
// turn of its event loop, and the workers go on behind it. Such kernels are small.
//
// As on a GPU, memory that is freed when a job is recorded is given to later jobs at once: they run after it. What the host
// writes goes through the ring, too (`stage`), and what it reads is copied in its turn.

import { VERSION } from "./version.ts";
import { nextTurn } from "./nextTurn.ts";
import { DeviceError, invariant } from "./errors.ts";
import { chunkSize, MAX_ARGUMENTS, mayPark, PATIENCE, type Job } from "./threadPool.ts";
import {
  AWAITED,
  COPY,
  FAILED,
  FILL,
  FINISHED,
  HALF_BYTES,
  HOST,
  HOSTED,
  HOST_TURN,
  POST,
  PUBLISHED,
  READY,
  RUNNING,
  SLOT,
  SLOTS,
  STAGE_OFFSET,
  STOPPED,
  UNCLAIMED,
  UNFINISHED,
  WORDS_BYTES,
  workerSource,
} from "./queueWorker.ts";
import { startWorker, type WorkerHandle } from "./workers.ts";

/** A job that the ring has no place for yet. */
type Slot = readonly number[];

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

export class ThreadQueue {
  readonly threads: number;
  readonly #memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #slots: Float64Array;
  /** Address of the first half of the staging area. */
  readonly #stage: number;
  readonly #workers: readonly WorkerHandle[];
  readonly #names: readonly string[];
  /** Jobs recorded; those behind PUBLISHED wait in the backlog. */
  #recorded = 0;
  #backlog: Slot[] = [];
  #feeding = false;
  /** Of each half the bytes in use, and the number of the job after the last that reads it. */
  readonly #halves = [
    { used: 0, until: 0 },
    { used: 0, until: 0 },
  ];
  #half = 0;
  readonly #hostJobs = new Map<number, () => void>();
  /** What the first host job that failed threw. */
  #failure: Error | null = null;
  readonly #waiters = new Map<number, Waiter>();
  #tickets = 0;
  #stopped = false;

  private constructor(
    memory: WebAssembly.Memory,
    control: number,
    names: readonly string[],
    workers: readonly WorkerHandle[],
  ) {
    this.threads = workers.length;
    this.#memory = memory;
    this.#words = new Int32Array(memory.buffer, control, 16);
    this.#slots = new Float64Array(memory.buffer, control + WORDS_BYTES, SLOT * SLOTS);
    this.#stage = control + STAGE_OFFSET;
    this.#workers = workers;
    this.#names = names;
    for (const worker of workers) worker.onMessage((ticket) => this.#settle(ticket as number));
  }

  /**
   * Starts `threads` workers and waits until they are ready.
   * @param control address of QUEUE_BYTES zeroed bytes, a multiple of 64
   * @throws {DeviceError} where the host forbids workers
   */
  static async start(
    threads: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    control: number,
    functions: Readonly<Record<string, unknown>>,
    script?: string,
  ): Promise<ThreadQueue> {
    const names = Object.keys(functions);
    const workers = await Promise.all(
      Array.from({ length: threads }, (_, thread) =>
        startWorker(
          workerSource,
          { role: "queue", version: VERSION, module, memory, control, names, thread },
          script,
        ),
      ),
    );
    const queue = new ThreadQueue(memory, control, names, workers);
    const failures = workers.map(({ failure }) => failure);
    while (Atomics.load(queue.#words, READY) < threads)
      await Promise.race([new Promise((resume) => setTimeout(resume, 1)), ...failures]);
    return queue;
  }

  /** Whether every job recorded so far has run. */
  get idle(): boolean {
    return this.#isDone(this.#recorded);
  }

  /** Records a job. @param shared whether all threads work on it; else one of them does */
  run({ functionIndex, args, units, scratchBytes, scratch }: Job, shared: boolean): void {
    invariant(args.length <= MAX_ARGUMENTS - 3, () => `a kernel with ${args.length} arguments`);
    const size = shared ? chunkSize(units, this.threads) : units;
    this.#record([
      functionIndex,
      units,
      Math.max(size, 1),
      scratchBytes,
      scratch,
      args.length,
      ...args,
    ]);
  }

  /** Records work for the calling thread. @param work must not call this queue */
  host(work: () => void): void {
    this.#hostJobs.set(this.#recorded, work);
    this.#record([HOST, 1, 1, 0, 0, 0]);
  }

  fill(to: number, bytes: number): void {
    if (bytes === 0) return;
    this.#record([FILL, bytes, chunkSize(bytes, this.threads), 0, 0, 1, to]);
  }

  copy(from: number, to: number, bytes: number): void {
    if (bytes === 0) return;
    this.#record([COPY, bytes, chunkSize(bytes, this.threads), 0, 0, 2, from, to]);
  }

  /** Writes bytes to an address in its turn. @returns false when the staging area has no room for them now */
  stage(data: Uint8Array, to: number): boolean {
    if (data.length > HALF_BYTES) return false;
    if (this.#halves[this.#half]!.used + data.length > HALF_BYTES) {
      const other = this.#halves[1 - this.#half]!;
      if (!this.#isDone(other.until)) return false;
      this.#half = 1 - this.#half;
      other.used = 0;
    }
    const half = this.#halves[this.#half]!;
    const from = this.#stage + this.#half * HALF_BYTES + half.used;
    new Uint8Array(this.#memory.buffer, from, data.length).set(data);
    this.copy(from, to, data.length);
    half.used += Math.ceil(data.length / 64) * 64;
    half.until = this.#recorded;
    return true;
  }

  /** Waits, without letting the event loop go on, until every job recorded so far has run. */
  drain(): void {
    const words = this.#words;
    while (!this.idle) {
      this.#feed();
      this.#assist();
      const finished = Atomics.load(words, FINISHED);
      if (this.#isDone(this.#recorded) || !mayPark) continue;
      Atomics.store(words, AWAITED, 1);
      Atomics.wait(words, FINISHED, finished, 1);
    }
    Atomics.store(words, AWAITED, 0);
  }

  /**
   * Resolves when every job recorded so far has run; the process stays alive for it.
   * @throws {DeviceError} when one of them failed, now and ever after, or the device is closed first
   */
  async done(): Promise<void> {
    if (!this.idle) {
      const ticket = this.#tickets++;
      // Not what is recorded when the post comes: by then that is the caller's next work.
      let posted = 0;
      await new Promise<void>((resolve, reject) => {
        this.#waiters.set(ticket, { resolve, reject });
        this.#hold();
        this.#record([POST, 1, 1, 0, 0, 1, ticket]);
        posted = this.#recorded;
      });
      // The worker posts before it counts that job, a moment later.
      await this.#counted(posted);
    }
    this.check();
  }

  async #counted(number: number): Promise<void> {
    while (!this.#isDone(number) && !this.#stopped) {
      await nextTurn();
    }
  }

  /** @throws {DeviceError} when a job has failed: what was computed since cannot be trusted */
  check(): void {
    if (this.#failure) throw this.#failure;
    const failed = Atomics.load(this.#words, FAILED);
    if (failed === 0) return;
    throw new DeviceError(
      `cpu: ${this.#names[failed - 1] ?? "a copy"} must read rows that are there, got an id outside its table. ` +
        "Check ids where they are made; without background the call itself says which. Open the device again.",
    );
  }

  /** Ends the workers after the chunks at hand; what waits is refused. @returns whether all of them have left the memory */
  async stop(): Promise<boolean> {
    this.#stopped = true;
    this.#backlog = [];
    this.#hostJobs.clear();
    Atomics.store(this.#words, STOPPED, 1);
    const begun = performance.now();
    const left = (): boolean => Atomics.load(this.#words, READY) === 0;
    while (!left() && performance.now() - begun < PATIENCE) {
      Atomics.notify(this.#words, UNCLAIMED);
      await new Promise((resume) => setTimeout(resume, 1));
    }
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    for (const { reject } of this.#waiters.values())
      reject(new DeviceError("cpu: the device was closed. Open another one."));
    this.#waiters.clear();
    return left();
  }

  #isDone(number: number): boolean {
    return ((Atomics.load(this.#words, FINISHED) - number) | 0) >= 0;
  }

  /** Runs the host job whose turn it is, if there is one. */
  #assist(): void {
    const words = this.#words;
    while (Atomics.compareExchange(words, HOSTED, 1, 0) === 1) {
      const number = Atomics.load(words, FINISHED);
      try {
        this.#hostJobs.get(number)?.();
      } catch (error) {
        this.#failure ??= error as Error;
      }
      this.#hostJobs.delete(number);
      // Finished; the next one may have been published before, and RUNNING is still set.
      const finished = (Atomics.add(words, FINISHED, 1) + 1) | 0;
      if (Atomics.load(words, PUBLISHED) !== finished) this.#begin(finished);
      else Atomics.store(words, RUNNING, 0); // nobody else publishes
    }
  }

  /** Starts a published job. */
  #begin(number: number): void {
    const at = (number & (SLOTS - 1)) * SLOT;
    const chunks = Math.max(1, Math.ceil(this.#slots[at + 1]! / this.#slots[at + 2]!));
    Atomics.store(this.#words, UNFINISHED, chunks);
    Atomics.store(this.#words, UNCLAIMED, chunks);
    Atomics.notify(this.#words, UNCLAIMED, chunks);
  }

  #record(slot: Slot): void {
    this.#assist();
    this.#recorded = (this.#recorded + 1) | 0;
    if (this.#backlog.length > 0 || !this.#publish(slot)) {
      this.#backlog.push(slot);
      this.#feedLater();
    }
  }

  /** @returns false when the ring is full */
  #publish(slot: Slot): boolean {
    const words = this.#words;
    const number = Atomics.load(words, PUBLISHED);
    if (((number - Atomics.load(words, FINISHED)) | 0) >= SLOTS) return false;
    this.#slots.set(slot, (number & (SLOTS - 1)) * SLOT);
    Atomics.store(words, PUBLISHED, (number + 1) | 0);
    if (Atomics.compareExchange(words, RUNNING, 0, 1) !== 0) return true;
    // Nobody runs. A worker that was about to stop may have left jobs before this one, or have run this one, too.
    const finished = Atomics.load(words, FINISHED);
    if (finished === Atomics.load(words, PUBLISHED)) Atomics.store(words, RUNNING, 0);
    else this.#begin(finished);
    return true;
  }

  #feed(): void {
    let fed = 0;
    while (fed < this.#backlog.length && this.#publish(this.#backlog[fed]!)) fed++;
    if (fed > 0) this.#backlog = this.#backlog.slice(fed);
  }

  #feedLater(): void {
    if (this.#feeding) return;
    this.#feeding = true;
    setTimeout(() => {
      this.#feeding = false;
      if (this.#stopped) return;
      this.#feed();
      if (this.#backlog.length > 0) this.#feedLater();
    }, 1);
  }

  #settle(ticket: number): void {
    if (this.#stopped) return;
    if (ticket === HOST_TURN) {
      this.#assist();
      return;
    }
    this.#waiters.get(ticket)?.resolve();
    this.#waiters.delete(ticket);
    this.#hold();
  }

  #hold(): void {
    for (const worker of this.#workers) worker.holdProcess(this.#waiters.size > 0);
  }
}
