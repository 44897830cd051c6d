// Warnings that come once for each model.

import { warn } from "../tensor/warnings.ts";

const given = new WeakMap<object, Set<string>>();

/** Writes each sentence once for each owner, as a warning. */
export function warnOnce(owner: object, sentences: readonly string[]): void {
  const before = given.get(owner) ?? new Set();
  given.set(owner, before);
  for (const sentence of sentences) {
    if (before.has(sentence)) continue;
    before.add(sentence);
    warn(sentence);
  }
}
