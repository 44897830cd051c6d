// What is typed, in the one spelling that commander knows: --learning_rate as --learning-rate, --no_fp16 as --fp16 false.

import type { Command, Option } from "commander";
import { canonicalName } from "./aliases.ts";

const FLAG = /^--([A-Za-z][\w-]*)(=[^]*)?$/;

/** @param args what follows the command's name */
export function canonicalArguments(command: Command, args: readonly string[]): string[] {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return [
    ...flags.map((argument) => canonicalArgument(command, argument)),
    ...(end < 0 ? [] : args.slice(end)),
  ];
}

function canonicalArgument(command: Command, argument: string): string {
  const [, name, value = ""] = FLAG.exec(argument) ?? [];
  if (name === undefined) return argument;
  const long = `--${canonicalName(command.name(), name)}`;
  if (optionOf(command, long) !== undefined) return `${long}${value}`;
  // transformers' parser has --no_X for each switch X
  const positive = long.replace(/^--no-/, "--");
  const isSwitch = positive !== long && optionOf(command, positive)?.optional === true;
  return isSwitch && value === "" ? `${positive}=false` : `${long}${value}`;
}

/** A command's option by its flag with two dashes. */
export function optionOf(command: Command, long: string): Option | undefined {
  return command.options.find((option) => option.long === long);
}
