// Arguments by names that are no fields here: translated, taken with a word, or refused with a reason.

import { formatValue } from "../../fields/rules.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { warn } from "../../tensor/warnings.ts";
import { OTHER_ARGUMENTS, type OtherArgument } from "./otherArguments.ts";

/**
 * The fields that `input` stands for, without other names. Those that have no effect are named in one warning each reason.
 * @param others the names that are no fields; `owner` says in warnings whose they are
 * @throws {ArgumentError} for a name that asks for what is not done here, a value that it cannot have, or two names of one field
 */
export function takeOther(
  input: Readonly<Record<string, unknown>>,
  others: Readonly<Record<string, OtherArgument>> = OTHER_ARGUMENTS,
  owner = "TrainingArguments",
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const translated: Record<string, unknown> = {};
  const withoutEffect = new Map<string, string[]>();
  for (const [name, value] of Object.entries(input)) {
    const row = Object.hasOwn(others, name) ? others[name] : undefined;
    if (row === undefined) {
      fields[name] = value;
      continue;
    }
    if (value === undefined || value === null) continue; // transformers' word for nothing given
    if (!row.rule.holds(value)) {
      throw new ArgumentError(`${name}: must be ${row.rule.must}, got ${formatValue(value)}`);
    }
    if (row.fate === "renamed") {
      for (const [field, own] of Object.entries(row.fields(value))) {
        if (input[field] !== undefined && formatValue(input[field]) !== formatValue(own)) {
          throw new ArgumentError(
            `${name}: must not contradict ${field}, of which it is another name, got ${formatValue(value)} ` +
              `and ${formatValue(input[field])}. Leave one out.`,
          );
        }
        translated[field] = own;
      }
      continue;
    }
    if (row.fate === "refused" && !row.nothing(value)) {
      throw new ArgumentError(
        `${name}: must be left out, for ${row.because}, got ${formatValue(value)}. ${row.cure}`,
      );
    }
    const reason = row.fate === "ignored" ? row.because : "they ask for nothing";
    const named = `${name} ${formatValue(value)}`;
    withoutEffect.set(reason, [...(withoutEffect.get(reason) ?? []), named]);
  }
  for (const [reason, names] of withoutEffect) {
    warn(`${owner}: without effect here: ${names.join(", ")} (${reason})`);
  }
  return { ...fields, ...translated };
}
