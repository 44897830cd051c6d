// --config run.yaml: a file with the flags of a command. Its values come first, so that flags win over them.

import { readFileSync } from "node:fs";
import type { Command, Option } from "commander";
import { parse } from "yaml";
import { didYouMean, toKebabCase, toSnakeCase } from "../../fields/names.ts";
import { formatValue } from "../../fields/rules.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { canonicalName } from "./aliases.ts";
import { optionOf } from "./spelling.ts";

const CONFIG = "--config";

/**
 * The arguments of a command with those of its --config file in front, and without --config.
 * @param args in canonical spelling
 * @throws {ArgumentError} for a file that cannot be read, is no mapping, or has a key that is no flag
 */
export function withConfigFile(command: Command, args: readonly string[]): string[] {
  const given: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    if (argument === "--") {
      rest.push(...args.slice(i));
      break;
    }
    if (argument.startsWith(`${CONFIG}=`)) given.push(argument.slice(CONFIG.length + 1));
    else if (argument === CONFIG && args[i + 1] !== undefined) given.push(args[++i]!);
    else rest.push(argument);
  }
  const path = given.at(-1);
  return path === undefined ? rest : [...flagsOf(command, path), ...rest];
}

function flagsOf(command: Command, path: string): string[] {
  return Object.entries(readSettings(path)).flatMap(([key, value]) => {
    const long = `--${canonicalName(command.name(), toKebabCase(key))}`;
    const option = optionOf(command, long) ?? optionOf(command, long.replace("--", "--no-"));
    if (option === undefined || long === CONFIG) throw unknownKey(command, path, key);
    return flagOf(option, long, value, `${path}: ${key}`);
  });
}

function readSettings(path: string): Readonly<Record<string, unknown>> {
  let settings: unknown;
  try {
    settings = parse(readFileSync(path, "utf8")); // JSON is YAML
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new ArgumentError(`--config: ${path} must be a YAML or JSON file, got: ${reason}`, {
      cause,
    });
  }
  if (typeof settings === "object" && settings !== null && !Array.isArray(settings)) {
    return settings as Readonly<Record<string, unknown>>;
  }
  throw new ArgumentError(
    `--config: ${path} must be a mapping of flags to values, got ${formatValue(settings)}`,
  );
}

/** null leaves a flag out, as transformers' None does. */
function flagOf(option: Option, long: string, value: unknown, place: string): string[] {
  if (value === null || value === undefined) return [];
  if (!option.required && !option.optional) {
    if (typeof value !== "boolean") {
      throw new ArgumentError(`${place}: must be true or false, got ${formatValue(value)}`);
    }
    const isMeant = option.long === long ? value : !value; // cache: false is --no-cache
    return isMeant ? [option.long!] : [];
  }
  return [`${long}=${textOf(option, value)}`];
}

function textOf(option: Option, value: unknown): string {
  const isText = typeof value === "string";
  // On a command line templates are escaped.
  if (option.long === "--prompt-template" && isText) return value.replaceAll("\\", "\\\\");
  if (option.long === "--lora-target-modules" && Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function unknownKey(command: Command, path: string, key: string): ArgumentError {
  const known = command.options.filter(({ hidden }) => !hidden);
  const names = known.map((option) => toSnakeCase(option.attributeName()));
  return new ArgumentError(
    `${path}: every key must be a flag of gradloom ${command.name()}, got ${key}. ${didYouMean(key, names)}`,
  );
}
