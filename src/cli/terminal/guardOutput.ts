// stdout and stderr as they may turn out: a reader that goes away, a terminal that is closed, texts with control characters.

import { formatWithOptions } from "node:util";
import { removeStandingLines } from "./bottomLine.ts";
import { leave } from "./interruption.ts";
import { printable } from "../../tensor/printable.ts";

/** Whether the command does more than print, so that it is worth its while without a reader. */
let isWorthWithoutReader = false;

/** For commands that write files: a reader that goes away (`gradloom train | head -2`) does not end them. */
export function goOnWithoutReader(): void {
  isWorthWithoutReader = true;
}

/** For main. What the library prints by `console` is made printable too. */
export function guardOutput(): void {
  process.stdout.on("error", lostReader);
  process.stderr.on("error", () => undefined); // a terminal that is gone; there is nobody to tell
  const toStderr = (...values: unknown[]): void => {
    process.stderr.write(`${printable(formatWithOptions({ colors: false }, ...values))}\n`);
  };
  Object.assign(console, { error: toStderr, warn: toStderr });
}

function lostReader(error: NodeJS.ErrnoException): void {
  if (!GONE.includes(error.code ?? "")) throw error;
  if (!isWorthWithoutReader) {
    // `gradloom info | head -1` is no failure.
    removeStandingLines();
    leave(0);
    return;
  }
  if (isSaid) return;
  isSaid = true;
  process.stderr.write("stdout was closed: the work goes on, and its results go to files only\n");
}

/** A pipe without a reader, a terminal that is gone, a stream that broke before. */
const GONE = ["EPIPE", "EIO", "ERR_STREAM_DESTROYED"];
let isSaid = false;
