// Damages files at random and keeps what their readers made of it: for formats whose files come from strangers.

import { expect } from "vitest";
import { isFull } from "./full.ts";
import { uniform } from "./random.ts";

/** The most memory that this process has had, in bytes. */
const peak = () => 1024 * process.resourceUsage().maxRSS;

/**
 * What `read` ends with, which must come within five seconds and a gigabyte more of memory.
 * @param read gives the message of the error, or null when all could be read
 */
export async function bounded(read: () => Promise<string | null>): Promise<string | null> {
  const before = peak();
  const begin = performance.now();
  const message = await read();
  expect(performance.now() - begin).toBeLessThan(5000);
  expect(peak() - before).toBeLessThan(2 ** 30);
  return message;
}

interface Fuzzing {
  readonly runs: number;
  readonly seed: number;
  /** What to put between bytes besides random ones. */
  readonly pieces?: readonly Uint8Array[];
  /** Opens and reads all of a damaged file; gives the message of its error, or null. Other errors than its own it throws. */
  readonly read: (bytes: Uint8Array) => Promise<string | null>;
}

/** How often a damaged file was read, and how often refused. A full run prints how often with which message. */
export async function fuzz(whole: Uint8Array, { runs, seed, pieces = [], read }: Fuzzing) {
  const random = uniform(seed);
  const messages: Record<string, number> = {};
  const counts = { read: 0, refused: 0 };
  let slowest = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = damage(whole, random, pieces);
    const begin = performance.now();
    const message = await bounded(() => read(bytes));
    slowest = Math.max(slowest, performance.now() - begin);
    counts[message === null ? "read" : "refused"]++;
    const kind = message === null ? "(read)" : kindOf(message);
    messages[kind] = (messages[kind] ?? 0) + 1;
  }
  if (isFull) {
    console.log({
      runs,
      ...counts,
      slowest: `${slowest.toFixed(0)} ms`,
      peak: `${peak() >> 20} MiB`,
    });
    console.table(Object.fromEntries(Object.entries(messages).sort(([, a], [, b]) => b - a)));
  }
  return counts;
}

/** What a message demands, without what varies from file to file. */
function kindOf(message: string): string {
  const statement = message.replace(/^[\w ./]+?: /, "").split(", got ")[0]!;
  return statement.replace(/"(?:[^"\\]|\\.)*"/g, '"…"').replace(/\d+/g, "N");
}

/** A copy with one to four faults: bytes changed, cut out, put in or repeated. */
function damage(whole: Uint8Array, random: () => number, pieces: readonly Uint8Array[]) {
  let bytes = Buffer.from(whole);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let faults = 1 + below(4); faults > 0 && bytes.length > 0; faults--) {
    const at = below(bytes.length);
    const length = 1 + below(12);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const between = (piece: Uint8Array) => Buffer.concat([head, piece, tail]);
    const noise = () => Uint8Array.from({ length }, () => below(256));
    const piece = () => (pieces.length > 0 ? pieces[below(pieces.length)]! : noise());
    const faultsOfAKind: readonly (() => Buffer)[] = [
      () => Buffer.concat([head, Uint8Array.of(below(256)), tail.subarray(1)]),
      () => Buffer.concat([head, Uint8Array.of(tail[0]! ^ (1 << below(8))), tail.subarray(1)]),
      () => Buffer.concat([head, tail.subarray(length)]),
      () => between(noise()),
      () => between(piece()),
      () => between(tail.subarray(0, length)),
      () => Buffer.concat([head, Buffer.alloc(length, 0xff), tail.subarray(length)]),
      () => Buffer.from(head),
    ];
    bytes = faultsOfAKind[below(faultsOfAKind.length)]!() as typeof bytes;
  }
  return new Uint8Array(bytes);
}
