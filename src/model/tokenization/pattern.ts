// Patterns of Replace and Split. Rust reads their regular expressions with Oniguruma; the library knows how to say
// the same in JavaScript, and throws where it cannot.

import { TokenizerError } from "../../tensor/errors.ts";
import { escapeRegExp } from "./characters.ts";
import { isRecord, shorten, type Description } from "./description.ts";
import { ReplaceNormalizer } from "./library.ts";

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
  try {
    const normalizer: { readonly pattern: RegExp } = new ReplaceNormalizer({
      pattern,
      content: "",
    });
    return normalizer.pattern;
  } catch (error) {
    throw new TokenizerError(
      `${type}: pattern must be a regular expression that JavaScript can read, got ${shorten(pattern["Regex"])}`,
      { cause: error },
    );
  }
}
