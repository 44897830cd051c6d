// Training arguments for files and logs: by transformers' keys, and without what nobody may read.

import { toSnakeCase } from "../../fields/names.ts";
import type { TrainingArguments } from "./fields.ts";

/** An object for JSON. */
export function argumentsJson(args: TrainingArguments): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(args).map(([key, value]: [string, unknown]) => [toSnakeCase(key), value]),
  );
}
