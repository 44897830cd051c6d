// --print-config: all flags of a command with the values they have, as a file for --config.

import type { Command } from "commander";
import { stringify } from "yaml";
import { toSnakeCase } from "../../fields/names.ts";
import { argumentRules, readArgument, type Field } from "../../train/arguments/rules.ts";
import { trainingDefaults } from "../../train/arguments/arguments.ts";
import { OTHER_ARGUMENTS, type OtherName } from "../../train/arguments/otherArguments.ts";
import { COMMAND_DEFAULTS, otherValueOf } from "../train/argumentFlags.ts";

/** Flags about this call alone. */
const PER_CALL: ReadonlySet<string> = new Set([
  "config",
  "printConfig",
  "json",
  "token",
  "hubToken",
]);

/** YAML; a flag without a value is null, which --config leaves out. */
export function configText(command: Command): string {
  const values = command.opts<Record<string, unknown>>();
  const entries = command.options
    .filter((option) => !PER_CALL.has(option.attributeName()))
    .filter((option) => !option.hidden || values[option.attributeName()] !== undefined)
    .map((option) => option.attributeName())
    .map((name) => [toSnakeCase(name), valueOf(name, values[name])] as const);
  return stringify(Object.fromEntries(entries), { lineWidth: 0 });
}

function valueOf(name: string, given: unknown): unknown {
  if (Object.hasOwn(OTHER_ARGUMENTS, name)) return otherValueOf(name as OtherName, given);
  if (!Object.hasOwn(argumentRules, name)) return given ?? null;
  const field = name as Field;
  if (given === undefined) return COMMAND_DEFAULTS[field] ?? trainingDefaults[field];
  return typeof given === "string" ? readArgument(field, given) : given;
}
