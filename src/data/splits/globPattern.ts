// Glob patterns as fsspec reads them, which `datasets` resolves names of files with: *, ?, [abc], [!a-z] inside a folder,
// ** as a whole part of a path for any number of folders; no braces and no !(...), which npm's glob libraries add.

import { LinearExpression } from "../../model/expressions/linearExpression.ts";
import { DatasetError } from "../../tensor/errors.ts";

/** Whether a pattern is more than a name. */
export function hasMagic(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/**
 * The names that a pattern matches, sorted. Hidden files and folders (.git) and folders such as __pycache__ are left out,
 * unless the pattern has a part of that kind too.
 * @param names paths with slashes
 * @throws {DatasetError} for ** beside other characters
 */
export function glob(names: readonly string[], pattern: string, ignoresCase = false): string[] {
  const expression = compile(`(?${ignoresCase ? "is" : "s"})${translate(pattern)}\\Z`, pattern);
  return names.filter((name) => expression.test(name) && isAskedFor(name, pattern)).sort();
}

/** In linear time: the patterns are those of a repository's README. */
function compile(source: string, pattern: string): LinearExpression {
  try {
    return new LinearExpression(source);
  } catch (error) {
    throw new DatasetError(
      `data_files: must be a pattern of files that can be read, got ${JSON.stringify(pattern)} (${(error as Error).message}). Correct the pattern.`,
      { cause: error },
    );
  }
}

/** As datasets' _is_inside_unrequested_special_dir and _is_unrequested_hidden_file_or_is_inside_unrequested_hidden_dir. */
function isAskedFor(name: string, pattern: string): boolean {
  const hidden = (path: string): number => count(path.split("/"), /^\.+[^.]/);
  const special = (path: string): number => count(path.split("/").slice(0, -1), /^__/);
  return hidden(name) === hidden(pattern) && special(name) === special(pattern);
}

const count = (parts: readonly string[], expression: RegExp): number =>
  parts.filter((part) => expression.test(part)).length;

function translate(pattern: string): string {
  const parts = pattern.split("/");
  return parts
    .map((part, i) => {
      const isLast = i === parts.length - 1;
      if (part === "*") return isLast ? "[^/]+" : "[^/]+/";
      if (part === "**") return isLast ? ".*" : "(?:.+/)?";
      if (!part.includes("**")) return translatePart(part) + (isLast ? "" : "/");
      throw new DatasetError(
        `data_files: ** must stand alone between slashes, as in data/**/*.csv, got ${pattern}. Correct the pattern.`,
      );
    })
    .join("");
}

const PIECE = /\*+|\?|\[(!?)(\]?[^\]]*)\]|[^]/gu;

function translatePart(part: string): string {
  return part.replace(PIECE, (piece, not: string | undefined, set: string | undefined) => {
    if (piece.startsWith("*")) return "[^/]*";
    if (piece === "?") return "[^/]";
    if (set === undefined) return piece.replace(/[\\^$.*+?()[\]{}|]/gu, "\\$&");
    if (set === "") return not === "!" ? "[^/]" : "(?!)";
    // In a set only - means something: a range, except at its ends.
    return `(?!/)[${not === "!" ? "^" : ""}${set.replace(/[\\\]^[]/gu, "\\$&").replace(/^-|-$/gu, "\\-")}]`;
  });
}
