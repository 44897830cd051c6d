// What the threads of a queue share (threadQueue.ts): the words and the ring of jobs at the head of its memory, and the body of
// a worker.

import { MAX_ARGUMENTS, SPINS } from "./threadPool.ts";

/** int32 words. Jobs are numbered from 0; FINISHED is the number of the job at hand. */
export const UNCLAIMED = 0;
export const UNFINISHED = 1;
/** 1 + the index of a function that failed. */
export const FAILED = 2;
export const READY = 3;
/** 1 while some thread sees to it that jobs go on. */
export const RUNNING = 4;
export const FINISHED = 5;
export const PUBLISHED = 6;
export const STOPPED = 7;
/** 1 while the calling thread sleeps until a job is finished. */
export const AWAITED = 8;
/** 1 while the job at hand waits for the calling thread. */
export const HOSTED = 9;
export const WORDS_BYTES = 64;

/** Function index, units, units of a chunk, bytes of scratch of a thread, scratch address, count of arguments. */
const HEADER = 6;
export const SLOT = HEADER + MAX_ARGUMENTS;
/** A power of two. A training step of flan-t5-small is some 3,000 jobs, and two are on their way. */
export const SLOTS = 8192;
/** What is done without a function; arguments: from, to; to; a number to post; none. */
export const COPY = -1;
export const FILL = -2;
export const POST = -3;
export const HOST = -4;
/** What a worker posts when a host job has its turn; other messages are tickets of who waits. */
export const HOST_TURN = -1;

/** Two halves in turn: while one fills, the copies from the other are long done. */
export const HALF_BYTES = 2 ** 19;
export const STAGE_OFFSET = WORDS_BYTES + 8 * SLOT * SLOTS;
/** Bytes that the queue needs in the shared memory. */
export const QUEUE_BYTES = STAGE_OFFSET + 2 * HALF_BYTES;

/** Body of a worker; plain text, so it closes over nothing. */
export const workerSource = `
const start = async ({ module, memory, control, names, thread }) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const functions = names.map((name) => exports[name]);
  const words = new Int32Array(memory.buffer, control, 16);
  const slots = new Float64Array(memory.buffer, control + ${WORDS_BYTES}, ${SLOT * SLOTS});
  const begin = (number) => {
    const at = (number & ${SLOTS - 1}) * ${SLOT};
    const chunks = Math.max(1, Math.ceil(slots[at + 1] / slots[at + 2]));
    Atomics.store(words, ${UNFINISHED}, chunks);
    Atomics.store(words, ${UNCLAIMED}, chunks);
    if (chunks > 1) Atomics.notify(words, ${UNCLAIMED}, chunks - 1);
  };
  const next = () => {
    Atomics.add(words, ${FINISHED}, 1);
    if (Atomics.load(words, ${AWAITED}) === 1) Atomics.notify(words, ${FINISHED});
    for (;;) {
      // Whoever has set RUNNING reads it anew: others may have run jobs since this thread gave RUNNING up.
      const finished = Atomics.load(words, ${FINISHED});
      if (Atomics.load(words, ${PUBLISHED}) !== finished) return begin(finished);
      Atomics.store(words, ${RUNNING}, 0);
      // Something may have been published just before, by a caller that still saw this thread running.
      if (Atomics.load(words, ${PUBLISHED}) === finished) return;
      if (Atomics.compareExchange(words, ${RUNNING}, 0, 1) !== 0) return;
    }
  };
  let serial = -1;
  let args = [];
  const run = (number, left) => {
    const at = (number & ${SLOTS - 1}) * ${SLOT};
    const [index, units, size, count] = [slots[at], slots[at + 1], slots[at + 2], slots[at + 5]];
    if (serial !== number) {
      serial = number;
      args = Array.from(slots.subarray(at + ${HEADER}, at + ${HEADER} + count));
      args.push(0, 0, slots[at + 4] + thread * slots[at + 3]);
    }
    const first = (Math.max(1, Math.ceil(units / size)) - left) * size;
    const last = Math.min(first + size, units);
    if (index === ${POST}) return post(args[0]);
    if (index === ${HOST}) {
      Atomics.store(words, ${HOSTED}, 1);
      if (Atomics.load(words, ${AWAITED}) === 1) Atomics.notify(words, ${FINISHED});
      return post(${HOST_TURN});
    }
    if (index === ${FILL}) return new Uint8Array(memory.buffer).fill(0, args[0] + first, args[0] + last);
    if (index === ${COPY}) {
      return new Uint8Array(memory.buffer).copyWithin(args[1] + first, args[0] + first, args[0] + last);
    }
    args[count] = first;
    args[count + 1] = last;
    functions[index](...args);
  };
  Atomics.add(words, ${READY}, 1);
  while (Atomics.load(words, ${STOPPED}) === 0) {
    const left = Atomics.load(words, ${UNCLAIMED});
    if (left === 0) {
      for (let i = 0; i < ${SPINS} && Atomics.load(words, ${UNCLAIMED}) === 0; i++);
      Atomics.wait(words, ${UNCLAIMED}, 0);
      continue;
    }
    if (Atomics.compareExchange(words, ${UNCLAIMED}, left, left - 1) !== left) continue;
    // The job at hand stays so while a chunk that was claimed from it is unfinished.
    const number = Atomics.load(words, ${FINISHED});
    const isHosted = slots[(number & ${SLOTS - 1}) * ${SLOT}] === ${HOST};
    try {
      run(number, left);
    } catch {
      Atomics.compareExchange(words, ${FAILED}, 0, slots[(number & ${SLOTS - 1}) * ${SLOT}] + 1);
    }
    // The calling thread finishes its own, and may have done so by now.
    if (!isHosted && Atomics.sub(words, ${UNFINISHED}, 1) === 1) next();
  }
  Atomics.sub(words, ${READY}, 1);
};
`;
