// Warnings that come once for each model.

const given = new WeakMap<object, Set<string>>();

/** Writes each sentence once for each owner, with console.warn. */
export function warnOnce(owner: object, sentences: readonly string[]): void {
  const before = given.get(owner) ?? new Set();
  given.set(owner, before);
  for (const sentence of sentences) {
    if (before.has(sentence)) continue;
    before.add(sentence);
    console.warn(`warning: ${sentence}`);
  }
}
