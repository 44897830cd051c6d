// JSON as Python's json module writes it: it puts NaN, Infinity and -Infinity where a number is not finite, which
// JSON.parse refuses.

const STRING_OR_NUMBER_NAME = /"[^"\\]*(?:\\.[^"\\]*)*"|(?:NaN|-?Infinity)(?![\w$])/g;

/**
 * `JSON.parse`, with null for NaN, Infinity and -Infinity outside texts: missing values, as `datasets` reads NaN.
 * @throws {SyntaxError} for what is no JSON otherwise; the message is that of `JSON.parse`
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const plain = text.replace(STRING_OR_NUMBER_NAME, (found) =>
      found.startsWith('"') ? found : "null",
    );
    return JSON.parse(plain);
  }
}
