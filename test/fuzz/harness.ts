// Damaged inputs for a reader, and what may become of them: a value, or an error of this library in one clean line. No
// other error, no rejection that nobody holds, no changed prototype, no two seconds, no gigabyte.

import { GradloomError } from "../../src/tensor/errors.ts";
import { Draw } from "./mutate.ts";

/** A reader of input from outside, and how to try it. */
export interface FuzzedReader {
  readonly name: string;
  /** Classes of the errors by which it may refuse, by name. */
  readonly errors: readonly string[];
  /** Made before the first case; has a folder to work in. */
  setUp(folder: string): Promise<FuzzedCase>;
}

export interface FuzzedCase {
  /** Damages an input and reads it. Throws `Violation` where what was read cannot be. */
  run(draw: Draw): Promise<void>;
  tearDown?(): Promise<void>;
}

/** What was read is not what a reader may give. */
export class Violation extends Error {}

/** Milliseconds of processor time that a case may take. */
export const MOST_TIME = 2000;
/** Bytes that this process may grow by. */
export const MOST_MEMORY = 2 ** 30;
const MOST_MESSAGE = 1500;

export interface Verdict {
  readonly kind: "accepted" | "refused";
  readonly milliseconds: number;
  /** What is wrong with how the case ended; undefined where nothing is. */
  readonly fault?: string | undefined;
}

const unhandled: unknown[] = [];

/** Keeps rejections that nobody holds, and warnings, until the function that it returns is called. */
export function watchProcess(): () => void {
  const { warn } = console;
  console.warn = () => undefined;
  const keep = (error: unknown) => void unhandled.push(error);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", keep);
  return () => {
    process.off("unhandledRejection", keep);
    console.warn = warn;
    for (const other of others) process.on("unhandledRejection", other);
  };
}

/** One case, which is the same for the same reader, seed and number. */
export async function runCase(
  reader: FuzzedReader,
  { run }: FuzzedCase,
  seed: number,
  number: number,
): Promise<Verdict> {
  const draw = new Draw(hash(`${reader.name} ${seed} ${number}`));
  const begin = process.cpuUsage();
  let kind: Verdict["kind"] = "accepted";
  let fault: string | undefined;
  try {
    await run(draw);
  } catch (error) {
    kind = "refused";
    fault = faultOf(error, reader.errors);
  }
  const { user, system } = process.cpuUsage(begin);
  const milliseconds = (user + system) / 1000;
  await new Promise((resolve) => setImmediate(resolve));
  const [rejection] = unhandled.splice(0);
  if (rejection !== undefined) fault = `rejection that nobody holds: ${described(rejection)}`;
  if (!isClean(Object.prototype, OBJECT) || !isClean(Array.prototype, ARRAY))
    fault = "a prototype was changed";
  if (milliseconds > MOST_TIME) fault ??= `took ${milliseconds.toFixed(0)} ms`;
  return { kind, milliseconds, fault };
}

/** The most memory that this process has had, in bytes. */
export function peakMemory(): number {
  return 1024 * process.resourceUsage().maxRSS;
}

function faultOf(error: unknown, classes: readonly string[]): string | undefined {
  if (error instanceof Violation) return error.message;
  if (!(error instanceof GradloomError)) return `raw ${described(error)}`;
  const { message, name } = error;
  const told = `${name}: ${JSON.stringify(message.slice(0, 300))}`;
  if (!classes.includes(name)) return `another class: ${told}`;
  if (/\bundefined\b|\bNaN of\b|\[object /.test(message)) return `"undefined" in ${told}`;
  if (
    /Cannot (?:read|set|convert|destructure)|is not (?:a function|iterable)|^internal|call stack/.test(
      message,
    )
  )
    return `an error of the engine in ${told}`;
  if (/[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(message))
    return `control characters in ${told}`;
  if (message.length > MOST_MESSAGE) return `${message.length} characters in ${told}`;
  return undefined;
}

function described(error: unknown): string {
  return error instanceof Error
    ? String(error.stack).split("\n").slice(0, 6).join(" | ")
    : String(error);
}

const OBJECT = Object.getOwnPropertyNames(Object.prototype).join();
const ARRAY = Object.getOwnPropertyNames(Array.prototype).join();

function isClean(prototype: object, before: string): boolean {
  return Object.getOwnPropertyNames(prototype).join() === before;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) {
    value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193);
  }
  return value >>> 0;
}
