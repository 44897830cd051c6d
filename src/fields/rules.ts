// Rules for the fields of options objects, config files and command-line flags: what a value must be, in words and as a
// test, and how a text on a command line is read.

import { didYouMean } from "./names.ts";

export interface Rule {
  /** What a value must be, in words that follow "must be". */
  readonly must: string;
  holds(value: unknown): boolean;
  /**
   * The value that a text on a command line stands for. A text that stands for nothing of this kind comes back as it
   * is, and fails the test.
   */
  read?(text: string): unknown;
}

/** A rule for fields that may be flags too. */
export type ReadableRule = Rule & Required<Pick<Rule, "read">>;

/** The errors of one owner of fields, each in the owner's own words. */
export interface FieldErrors<Name extends string> {
  /** @param hint "Did you mean numBeams?", or "Known: " and every name */
  unknown(name: string, hint: string): Error;
  wrong(name: Name, must: string, value: unknown): Error;
}

/**
 * Checks every field that is given; undefined is left out.
 * @throws what `errors` makes for the first field that has no rule or does not keep it
 */
export function checkFields<Name extends string>(
  values: object,
  rules: Readonly<Record<Name, Rule>>,
  errors: FieldErrors<Name>,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (!isFieldOf(rules, name)) throw errors.unknown(name, didYouMean(name, Object.keys(rules)));
    if (value === undefined || rules[name].holds(value)) continue;
    throw errors.wrong(name, rules[name].must, value);
  }
}

/** A value as error messages show it: texts in quotes, lists and objects as JSON, undefined as "nothing". */
export function formatValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string" || isPlainObject(value)) return JSON.stringify(value);
  return Array.isArray(value) ? `[${value.map(formatValue).join(",")}]` : String(value);
}

export const flag: ReadableRule = {
  must: "true or false",
  holds: (value) => typeof value === "boolean",
  read: readFlag,
};

export const nonEmptyText: ReadableRule = {
  must: "a text that is not empty",
  holds: (value) => typeof value === "string" && value !== "",
  read: (text) => text,
};

/** Finite numbers for which `holds` is true. */
export function number(must: string, holds: (value: number) => boolean): ReadableRule {
  return {
    must,
    holds: (value) => typeof value === "number" && Number.isFinite(value) && holds(value),
    read: readNumber,
  };
}

export function whole(least: number): ReadableRule {
  return number(
    `a whole number of at least ${least}`,
    (value) => Number.isSafeInteger(value) && value >= least,
  );
}

export function atLeast(least: number): ReadableRule {
  return number(`a number of at least ${least}`, (value) => value >= least);
}

export function above(least: number): ReadableRule {
  return number(`a number above ${least}`, (value) => value > least);
}

/** Of a whole: probabilities, rates of decay. */
export const shareBelow1 = number(
  "a number of at least 0 and below 1",
  (value) => value >= 0 && value < 1,
);

export const shareUpTo1 = number(
  "a number of at least 0 and at most 1",
  (value) => value >= 0 && value <= 1,
);

export function oneOf(...values: readonly string[]): ReadableRule {
  return {
    must: `one of ${values.map((value) => `"${value}"`).join(", ")}`,
    holds: (value) => values.includes(value as string),
    read: (text) => text,
  };
}

/** One of the values, or a list of some; a text on a command line has commas between. */
export function listOf(...values: readonly string[]): ReadableRule {
  const names = values.map((value) => `"${value}"`).join(", ");
  return {
    must: `one of ${names}, or a list of them`,
    holds: (value) =>
      typeof value === "string"
        ? values.includes(value)
        : Array.isArray(value) && value.every((each) => values.includes(each as string)),
    read: (text) => (text.includes(",") ? text.split(",").map((part) => part.trim()) : text),
  };
}

export function orNull(rule: ReadableRule): ReadableRule {
  return {
    must: `${rule.must}, or null`,
    holds: (value) => value === null || rule.holds(value),
    read: (text) => (/^(null|none)$/i.test(text) ? null : rule.read(text)),
  };
}

/** The value of a JSON object, list, true or false; any other text, and JSON that is none, as it is. */
export function readJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return readFlag(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function isFieldOf<Name extends string>(rules: Record<Name, Rule>, name: string): name is Name {
  return Object.hasOwn(rules, name);
}

function isPlainObject(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function readNumber(text: string): unknown {
  return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

function readFlag(text: string): unknown {
  const lower = text.toLowerCase();
  return lower === "true" || lower === "false" ? lower === "true" : text;
}
