// Flags that several commands share, and the readers of their values.

import { InvalidArgumentError, Option } from "commander";
import { atLeast, whole, type ReadableRule } from "../fields/rules.ts";

/** Reads a whole number of at least `least`. */
export const wholeNumber = (least: number): ((text: string) => number) => reader(whole(least));

/** Reads a finite number of at least `least`. */
export const number = (least: number): ((text: string) => number) => reader(atLeast(least));

function reader(rule: ReadableRule): (text: string) => number {
  return (text) => {
    const value = rule.read(text);
    if (!rule.holds(value)) throw new InvalidArgumentError(`It must be ${rule.must}.`);
    return value as number;
  };
}

export const deviceOption = (): Option =>
  new Option("--device <name>", "where to compute")
    .choices(["cpu", "webgpu", "auto"])
    .default("auto");

export const jsonOption = (): Option =>
  new Option("--json", "print one JSON object on stdout and nothing else there").default(false);

/** An AbortSignal that SIGTERM raises, with which Slurm and Kubernetes announce that a job's time is over. */
export function terminationSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGTERM", () => controller.abort());
  return controller.signal;
}

/** An AbortSignal that Ctrl-C raises; a second Ctrl-C ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new DOMException("interrupted", "AbortError")));
  return controller.signal;
}
