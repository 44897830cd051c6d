// Python's values as they are here: None, numbers, truth values and texts as JavaScript's, dictionaries with texts as keys as
// Map, lists as arrays, tuples as below.

import { quoted } from "./refusals.ts";

export class PickleTuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** What kind of value it is, for messages; never its contents, which may be endless. */
export function describe(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "string") return quoted(value);
  if (value instanceof Map) return "a dictionary";
  if (value instanceof PickleTuple) return "a tuple";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : String(value);
}
