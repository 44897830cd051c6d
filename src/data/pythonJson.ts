// JSON as Python's json module writes it: it puts NaN, Infinity and -Infinity where a number is not finite, which
// JSON.parse refuses.

import { parseJson } from "../tensor/json.ts";

const STRING_OR_NUMBER_NAME = /"[^"\\]*(?:\\.[^"\\]*)*"|(?:NaN|-?Infinity)(?![\w$])/g;

/**
 * `parseJson`, with null for NaN, Infinity and -Infinity outside texts: missing values, as `datasets` reads NaN.
 * @throws {SyntaxError} for what is no JSON otherwise; the message is that of `JSON.parse`
 */
export function parsePythonJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const plain = text.replace(STRING_OR_NUMBER_NAME, (found) =>
      found.startsWith('"') ? found : "null",
    );
    return parseJson(plain);
  }
}
