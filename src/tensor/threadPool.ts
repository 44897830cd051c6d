// Threads of the cpu device: workers that share its memory, started once, parked between kernels.
//
// A job is one kernel call. The calling thread writes it into a control block in the shared memory, bumps a
// generation counter that the workers wait on, does its own share of the pieces, and waits until the workers
// have counted themselves out. Nothing else is ever sent to them.

import { invariant } from "./errors.ts";

/** Control block: four int32 words, then the job's numbers as float64 (exact for every u32 and f32). */
const GENERATION = 0;
const PENDING = 1;
const FAILED = 2;
const JOB_OFFSET = 64;
/** Function index, first piece, last piece, bytes of scratch for each thread, scratch address, count of arguments. */
const HEADER = 6;
const MAX_ARGUMENTS = 40;
/** Bytes that the pool needs in the shared memory. */
export const CONTROL_BYTES = JOB_OFFSET + 8 * (HEADER + MAX_ARGUMENTS);

/**
 * Turns of a busy loop before a thread parks. A park and a wake cost tens of microseconds, as much as a small
 * kernel; a few microseconds of spinning bridge the gap between two kernels of a training step.
 */
const SPINS = 4000;

/** A job: the kernel's function by its place in `names`, and its arguments without range and scratch. */
export interface Job {
  readonly functionIndex: number;
  readonly args: readonly number[];
  /** Pieces 0..pieces-1 are shared out in contiguous ranges. */
  readonly pieces: number;
  /** Bytes of private memory for each thread, at `scratch` + thread * scratchBytes; 0 for none. */
  readonly scratchBytes: number;
  readonly scratch: number;
}

/** What a thread runs: its range of a job's pieces. Plain text in workers, so it closes over nothing. */
type RunShare = (
  functions: readonly ((...args: number[]) => void)[],
  job: Float64Array,
  thread: number,
  threads: number,
) => void;

const runShare: RunShare = (functions, job, thread, threads) => {
  const pieces = job[1]!;
  const begin = Math.floor((pieces * thread) / threads);
  const end = Math.floor((pieces * (thread + 1)) / threads);
  if (begin === end) return;
  const args = Array.from(job.subarray(6, 6 + job[5]!));
  args.push(begin, end);
  if (job[3]! > 0) args.push(job[4]! + thread * job[3]!);
  functions[job[0]!]!(...args);
};

/** Body of a worker. `port` gives it the module, the memory and its number. */
const workerSource = `
const runShare = ${runShare.toString()};
const SPINS = ${SPINS};
const start = async ({ module, memory, control, jobOffset, names, thread, threads }) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const functions = names.map((name) => exports[name]);
  const words = new Int32Array(memory.buffer, control, 4);
  const job = new Float64Array(memory.buffer, control + jobOffset, ${HEADER + MAX_ARGUMENTS});
  let seen = 0;
  const countOut = () => {
    if (Atomics.sub(words, ${PENDING}, 1) === 1) Atomics.notify(words, ${PENDING});
  };
  countOut(); // ready
  for (;;) {
    for (let i = 0; i < SPINS && Atomics.load(words, ${GENERATION}) === seen; i++);
    while (Atomics.load(words, ${GENERATION}) === seen) Atomics.wait(words, ${GENERATION}, seen);
    seen = Atomics.load(words, ${GENERATION});
    try {
      runShare(functions, job, thread, threads);
    } catch {
      Atomics.store(words, ${FAILED}, 1);
    }
    countOut();
  }
};
`;

const nodeWorker = `${workerSource}\nstart(require("node:worker_threads").workerData);`;
const webWorker = `${workerSource}\nonmessage = ({ data }) => start(data);`;

interface WorkerHandle {
  terminate(): unknown;
}

export class ThreadPool {
  readonly threads: number;
  readonly #words: Int32Array;
  readonly #job: Float64Array;
  readonly #functions: readonly ((...args: number[]) => void)[];
  readonly #workers: readonly WorkerHandle[];

  private constructor(
    control: { words: Int32Array; job: Float64Array },
    functions: readonly ((...args: number[]) => void)[],
    workers: readonly WorkerHandle[],
  ) {
    this.threads = workers.length + 1;
    this.#words = control.words;
    this.#job = control.job;
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
  ): Promise<ThreadPool> {
    const names = Object.keys(functions);
    const words = new Int32Array(memory.buffer, control, 4);
    const job = new Float64Array(memory.buffer, control + JOB_OFFSET, HEADER + MAX_ARGUMENTS);
    Atomics.store(words, PENDING, threads - 1);
    const workers = await Promise.all(
      Array.from({ length: threads - 1 }, (_, i) =>
        startWorker({
          module,
          memory,
          control,
          jobOffset: JOB_OFFSET,
          names,
          thread: i + 1,
          threads,
        }),
      ),
    );
    while (Atomics.load(words, PENDING) > 0) await new Promise((resume) => setTimeout(resume, 1));
    return new ThreadPool({ words, job }, Object.values(functions), workers);
  }

  /** Runs a job on all threads, this one included, and returns when it is done. */
  run({ functionIndex, args, pieces, scratchBytes, scratch }: Job): void {
    invariant(args.length <= MAX_ARGUMENTS, () => `a kernel with ${args.length} arguments`);
    this.#job.set([functionIndex, pieces, 0, scratchBytes, scratch, args.length, ...args]);
    Atomics.store(this.#words, PENDING, this.threads - 1);
    Atomics.add(this.#words, GENERATION, 1);
    Atomics.notify(this.#words, GENERATION);
    runShare(this.#functions, this.#job, 0, this.threads);
    this.#join();
    invariant(Atomics.load(this.#words, FAILED) === 0, () => "a kernel failed on a worker thread");
  }

  #join(): void {
    for (let i = 0; i < SPINS; i++) if (Atomics.load(this.#words, PENDING) === 0) return;
    for (;;) {
      const pending = Atomics.load(this.#words, PENDING);
      if (pending === 0) return;
      Atomics.wait(this.#words, PENDING, pending);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** A worker thread in Node, a Web Worker elsewhere; it does not keep the process alive. */
async function startWorker(data: Readonly<Record<string, unknown>>): Promise<WorkerHandle> {
  if (typeof process === "object" && process.versions?.node !== undefined) {
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(nodeWorker, { eval: true, workerData: data });
    worker.unref();
    return worker;
  }
  const worker = new Worker(
    URL.createObjectURL(new Blob([webWorker], { type: "text/javascript" })),
  );
  worker.postMessage(data);
  return worker;
}
