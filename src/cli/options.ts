// Flags that several commands share, and the readers of their values.

import { InvalidArgumentError, Option } from "commander";
import { parseWeightDtype, weightDtypeNames, type StoredWeights } from "../model/weightDtype.ts";
import { ArgumentError } from "../tensor/errors.ts";
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

/** An option with a value whose name may begin with "no": commander would take --no-repeat-ngram-size for "no --repeat-...". */
export function valueOption(flags: string, description?: string): Option {
  const option = new Option(flags, description);
  option.negate = false;
  return option;
}

export const deviceOption = (): Option =>
  new Option("--device <name>", "where to compute")
    .choices(["cpu", "webgpu", "auto"])
    .default("auto");

export const threadsOption = (): Option =>
  new Option("--threads <n>", "threads of the cpu device (default: all cores)").argParser(
    wholeNumber(1),
  );

/** @param description what is stored */
export const dtypeOption = (description: string): Option =>
  new Option(
    "--dtype <name>",
    `${description}: ${weightDtypeNames()} (default: f32, or as a model saved in int8 has them; docs/guide/precision.md)`,
  ).argParser(weightDtype);

function weightDtype(text: string): StoredWeights {
  try {
    return parseWeightDtype("It", text);
  } catch (error) {
    if (error instanceof ArgumentError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
}

export const jsonOption = (): Option =>
  new Option("--json", "print one JSON object on stdout and nothing else there").default(false);
