// Flags that several commands share, and the readers of their values.

import { InvalidArgumentError, Option } from "commander";

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** Reads a finite number of at least `least`. */
export function number(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least) {
      throw new InvalidArgumentError(`It must be a number of at least ${least}.`);
    }
    return value;
  };
}

export const deviceOption = (): Option =>
  new Option("--device <name>", "where to compute")
    .choices(["cpu", "webgpu", "auto"])
    .default("auto");

export const jsonOption = (): Option =>
  new Option("--json", "print one JSON object on stdout and nothing else there").default(false);

/** An AbortSignal that Ctrl-C raises; a second Ctrl-C ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new DOMException("interrupted", "AbortError")));
  return controller.signal;
}
