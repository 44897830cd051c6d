// Names of fields: from camelCase to the keys of JSON files, and the known name that a mistyped one was meant to be.

/** isWorldProcessZero -> is_world_process_zero; digits stay where they are (adamBeta1 -> adam_beta1). */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** isWorldProcessZero and is_world_process_zero -> is-world-process-zero. */
export function toKebabCase(name: string): string {
  return toSnakeCase(name).replaceAll("_", "-");
}

/** is_world_process_zero and is-world-process-zero -> isWorldProcessZero. */
export function toCamelCase(name: string): string {
  return name.replace(/[_-]([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * The known name nearest to `name` (Levenshtein distance without case and underscores), or undefined when more than a
 * third of the longer name's letters would have to change: then the name is another word, and not a mistyped one.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const [a, b] = [plain(name), plain(candidate)];
    const distance = editDistance(a, b);
    if (distance > Math.floor(Math.max(a.length, b.length) / 3) || distance >= least) continue;
    [best, least] = [candidate, distance];
  }
  return best;
}

/**
 * The sentence for an unknown name: the name that was meant, or else all that are known.
 * @param others names that may be meant, too, and are not listed
 */
export function didYouMean(
  name: string,
  known: readonly string[],
  others: readonly string[] = [],
): string {
  const meant = nearestName(name, [...known, ...others]);
  return meant === undefined ? `Known: ${known.join(", ")}.` : `Did you mean ${meant}?`;
}

function plain(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

/** Levenshtein distance: insertions, deletions and substitutions of letters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
