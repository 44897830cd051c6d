// Patterns of Replace and Split. Rust reads their regular expressions with Oniguruma; the library knows how to say
// the same in JavaScript, and throws where it cannot.

import { TokenizerError } from "../../tensor/errors.ts";
import { escapeRegExp } from "./characters.ts";
import { isRecord, shorten, type Description } from "./description.ts";
import { ReplaceNormalizer } from "./library.ts";
import { unboundedWork } from "./patternWork.ts";

/**
 * The pattern of a stage, for `matchAll`.
 * @throws {TokenizerError} for a pattern that cannot be used
 */
export function compilePattern(description: Description): RegExp {
  const { type, pattern } = description;
  if (isRecord(pattern) && typeof pattern["String"] === "string") {
    return new RegExp(escapeRegExp(pattern["String"]), "gu");
  }
  if (!isRecord(pattern) || typeof pattern["Regex"] !== "string") {
    throw new TokenizerError(`${type}: pattern must be a String or Regex, got ${shorten(pattern)}`);
  }
  const source = pattern["Regex"];
  const expression = translated(type, pattern, source);
  const fault = unboundedWork(expression.source);
  if (fault !== null) {
    throw new TokenizerError(
      `${type}: pattern must have ${fault} in ${shorten(source)}. It could run for years on a text; write it without.`,
    );
  }
  return expression;
}

/** The same in JavaScript. */
function translated(type: string, pattern: object, source: string): RegExp {
  try {
    const normalizer: { readonly pattern: RegExp } = new ReplaceNormalizer({
      pattern,
      content: "",
    });
    return normalizer.pattern;
  } catch (error) {
    throw new TokenizerError(
      `${type}: pattern must be a regular expression that JavaScript can read, got ${shorten(source)}`,
      { cause: error },
    );
  }
}
