// Threads of the cpu device: workers that share its memory, started once, parked between kernels.
//
// A job is one kernel call, cut into chunks of units. The calling thread writes it into a control block in the
// shared memory and sets the count of unclaimed chunks that the workers wait on; then every thread, the calling
// one included, claims chunks until none is left. The job is done when every chunk is, whoever ran it: a thread
// whose core another process has taken delays its own chunk and no more, and one that wakes too late finds nothing.
// Which units make a chunk depends on the job alone, so that results do not depend on who was fast.

import { VERSION } from "./version.ts";
import { invariant } from "./errors.ts";
import { startWorker, type WorkerHandle } from "./workers.ts";

/** Control block: int32 words, then the job's numbers as float64 (exact for every u32 and f32). */
const UNCLAIMED = 0;
const UNFINISHED = 1;
const FAILED = 2;
const READY = 3;
/** In place of a count of unclaimed chunks: the workers are to end. */
const STOP = -1;
/** Ms that workers get to end by themselves; they need microseconds, on a busy machine as long as they wait for a core. */
export const PATIENCE = 5000;
const JOBS_OFFSET = 64;
/** Serial number, count of jobs, chunks of all of them. */
const HEADER = 3;
/** Of a job: function index, units, units of a chunk, chunks, bytes of scratch of a thread, scratch address, count of arguments. */
const JOB_HEADER = 7;
export const MAX_ARGUMENTS = 40;
const JOB = JOB_HEADER + MAX_ARGUMENTS;
/** Jobs that threads can share at a time. */
export const MOST_JOBS = 4;
const NUMBERS = HEADER + MOST_JOBS * JOB;
/** Bytes that the pool needs in the shared memory. */
export const CONTROL_BYTES = JOBS_OFFSET + 8 * NUMBERS;

/**
 * Turns of a busy loop before a thread parks, 7 ns each. A park and a wake cost tens of microseconds, as much as a small
 * kernel, and more where the core has gone to sleep meanwhile. 0.3 ms bridge what a program does between two kernels, reading a result
 * or recording the next op, and the wait for another thread's last chunk.
 */
export const SPINS = 40_000;

/** Chunks for each thread: enough that the last ones to finish wait little, few enough that claims cost nothing. */
const CHUNKS_PER_THREAD = 8;
/** Large counts are cut at multiples of this: whole vectors, and whole cache lines of f32. */
const CHUNK_UNIT = 64;

/** A job: the kernel's function by its place in `names`, and its arguments without range and scratch. */
export interface Job {
  readonly functionIndex: number;
  readonly args: readonly number[];
  /** Units 0..units-1 are shared out in contiguous ranges. */
  readonly units: number;
  /** Bytes of private memory for each thread, at `scratch` + thread * scratchBytes; 0 for none. */
  readonly scratchBytes: number;
  readonly scratch: number;
}

/** Runs chunks until none is unclaimed. Plain text in workers, so it closes over nothing. */
type WorkOff = (
  functions: readonly ((...args: number[]) => void)[],
  words: Int32Array,
  numbers: Float64Array,
  thread: number,
  /** Where the first job's numbers begin, and from there to the next one's. */
  first: number,
  stride: number,
  lists: ArgumentLists,
) => void;

/**
 * What a thread calls functions with, by the count of a job's numbers. Kept from job to job, and of elements of any kind: V8 boxes each
 * element of a list of doubles again in every call, which was a third of the garbage of a training step.
 */
type ArgumentLists = number[][];

const workOff: WorkOff = (functions, words, numbers, thread, first, stride, lists) => {
  let serial = -1;
  let job = 0;
  let args: number[] = [];
  let run: ((...args: number[]) => void) | undefined;
  for (;;) {
    const left = Atomics.load(words, 0);
    if (left <= 0) return;
    if (Atomics.compareExchange(words, 0, left, left - 1) !== left) continue;
    // The jobs stay as they are while a chunk that was claimed from them is unfinished.
    let chunk = numbers[2]! - left;
    let at = first;
    for (; chunk >= numbers[at + 3]!; at += stride) chunk -= numbers[at + 3]!;
    const [units, size, count] = [numbers[at + 1]!, numbers[at + 2]!, numbers[at + 6]!];
    if (numbers[0] !== serial || at !== job) {
      serial = numbers[0]!;
      job = at;
      run = functions[numbers[at]!];
      args = lists[count] ??= new Array(count + 3).fill(null);
      for (let i = 0; i < count; i++) {
        const value = numbers[at + 7 + i]!;
        const whole = value | 0; // a small integer needs no box
        args[i] = Object.is(whole, value) ? whole : value;
      }
      args[count + 2] = numbers[at + 5]! + thread * numbers[at + 4]!;
    }
    const begin = chunk * size;
    args[count] = begin;
    args[count + 1] = Math.min(begin + size, units);
    try {
      run!(...args);
    } catch {
      Atomics.store(words, 2, 1);
    }
    if (Atomics.sub(words, 1, 1) === 1) Atomics.notify(words, 1);
  }
};

/** Body of a worker. Its data: the module, the memory and its number. */
export const poolSource = `
const workOff = ${workOff.toString()};
const start = async ({ module, memory, control, names, thread }) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const functions = names.map((name) => exports[name]);
  const words = new Int32Array(memory.buffer, control, 4);
  const numbers = new Float64Array(memory.buffer, control + ${JOBS_OFFSET}, ${NUMBERS});
  const lists = [];
  Atomics.add(words, ${READY}, 1);
  for (;;) {
    for (let i = 0; i < ${SPINS} && Atomics.load(words, ${UNCLAIMED}) === 0; i++);
    Atomics.wait(words, ${UNCLAIMED}, 0);
    if (Atomics.load(words, ${UNCLAIMED}) === ${STOP}) break;
    workOff(functions, words, numbers, thread, ${HEADER}, ${JOB}, lists);
  }
  Atomics.sub(words, ${READY}, 1);
};
`;

/** Whether this thread may park. The main thread of a page may not: it spins until the others have finished their chunks. */
export const mayPark = typeof window === "undefined";

export class ThreadPool {
  readonly threads: number;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #functions: readonly ((...args: number[]) => void)[];
  readonly #workers: readonly WorkerHandle[];
  readonly #lists: ArgumentLists = [];
  #serial = 0;

  private constructor(
    control: { words: Int32Array; numbers: Float64Array },
    functions: readonly ((...args: number[]) => void)[],
    workers: readonly WorkerHandle[],
  ) {
    this.threads = workers.length + 1;
    this.#words = control.words;
    this.#numbers = control.numbers;
    this.#functions = functions;
    this.#workers = workers;
  }

  /**
   * Starts `threads` - 1 workers and waits until they are ready.
   * @param module the compiled kernels; every worker instantiates them on the same memory
   * @param control address of CONTROL_BYTES zeroed bytes, a multiple of 64
   */
  static async start(
    threads: number,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    control: number,
    functions: Readonly<Record<string, (...args: number[]) => void>>,
    script?: string,
  ): Promise<ThreadPool> {
    const names = Object.keys(functions);
    const words = new Int32Array(memory.buffer, control, 4);
    const numbers = new Float64Array(memory.buffer, control + JOBS_OFFSET, NUMBERS);
    const workers = await Promise.all(
      Array.from({ length: threads - 1 }, (_, i) =>
        startWorker(
          poolSource,
          { role: "pool", version: VERSION, module, memory, control, names, thread: i + 1 },
          script,
        ),
      ),
    );
    const failures = workers.map(({ failure }) => failure);
    while (Atomics.load(words, READY) < threads - 1)
      await Promise.race([new Promise((resume) => setTimeout(resume, 1)), ...failures]);
    return new ThreadPool({ words, numbers }, Object.values(functions), workers);
  }

  /** Runs a job on all threads, this one included, and returns when it is done. */
  run(job: Job): void {
    const chunks = writeJob(job, this.threads, this.#numbers, HEADER);
    this.#numbers[0] = this.#serial++;
    this.#numbers[1] = 1;
    this.#numbers[2] = chunks;
    this.#run(chunks);
  }

  /**
   * What runs jobs in this way, again and again.
   * @param jobs at most MOST_JOBS, none of which needs what another does: their chunks are run in any order
   */
  prepare(jobs: readonly Job[]): () => void {
    const numbers = new Float64Array(HEADER + JOB * jobs.length);
    let chunks = 0;
    for (const [i, job] of jobs.entries())
      chunks += writeJob(job, this.threads, numbers, HEADER + i * JOB);
    numbers.set([0, jobs.length, chunks]);
    return () => {
      numbers[0] = this.#serial++;
      this.#numbers.set(numbers);
      this.#run(chunks);
    };
  }

  /** Runs what the control block holds. */
  #run(chunks: number): void {
    Atomics.store(this.#words, UNFINISHED, chunks);
    Atomics.store(this.#words, UNCLAIMED, chunks);
    Atomics.notify(this.#words, UNCLAIMED, chunks - 1);
    workOff(this.#functions, this.#words, this.#numbers, 0, HEADER, JOB, this.#lists);
    this.#join();
    invariant(Atomics.load(this.#words, FAILED) === 0, () => "a kernel failed on a worker thread");
  }

  #join(): void {
    for (let i = 0; i < SPINS; i++) if (Atomics.load(this.#words, UNFINISHED) === 0) return;
    for (;;) {
      const unfinished = Atomics.load(this.#words, UNFINISHED);
      if (unfinished === 0) return;
      if (mayPark) Atomics.wait(this.#words, UNFINISHED, unfinished);
    }
  }

  /**
   * Ends the workers. They leave the memory by themselves first: a browser goes on with a worker for a while after it was told to
   * end it, and it would take chunks of whoever has the memory next.
   * @returns whether all of them have left the memory
   */
  async stop(): Promise<boolean> {
    Atomics.store(this.#words, UNCLAIMED, STOP);
    Atomics.notify(this.#words, UNCLAIMED);
    const begun = performance.now();
    const left = (): boolean => Atomics.load(this.#words, READY) === 0;
    while (!left() && performance.now() - begun < PATIENCE)
      await new Promise((resume) => setTimeout(resume, 1));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    return left();
  }
}

/** Writes a job as the control block has it, at `at`. @returns its chunks */
function writeJob(job: Job, threads: number, numbers: Float64Array, at: number): number {
  const { functionIndex, args, units, scratchBytes, scratch } = job;
  invariant(args.length <= MAX_ARGUMENTS, () => `a kernel with ${job.args.length} arguments`);
  const size = chunkSize(units, threads);
  const chunks = Math.ceil(units / size);
  numbers[at] = functionIndex;
  numbers[at + 1] = units;
  numbers[at + 2] = size;
  numbers[at + 3] = chunks;
  numbers[at + 4] = scratchBytes;
  numbers[at + 5] = scratch;
  numbers[at + 6] = args.length;
  for (let i = 0; i < args.length; i++) numbers[at + JOB_HEADER + i] = args[i]!;
  return chunks;
}

/** Units of a chunk of a job on so many threads. */
export function chunkSize(units: number, threads: number): number {
  const size = Math.ceil(units / (threads * CHUNKS_PER_THREAD));
  return size < CHUNK_UNIT ? size : Math.ceil(size / CHUNK_UNIT) * CHUNK_UNIT;
}
