// JSON of files and servers. What is nested deeper than any of them writes would overflow the stack of whoever walks over it
// later (JSON.parse itself does not): Python's json stops at the same depth.

const MOST_DEPTH = 1000;

/**
 * `JSON.parse` for values at most 1,000 deep.
 * @throws {SyntaxError} for deeper ones, and as `JSON.parse`
 */
export function parseJson(text: string): unknown {
  if (text.length > MOST_DEPTH && isTooDeep(text))
    throw new SyntaxError(`values more than ${MOST_DEPTH} deep in each other`);
  return JSON.parse(text);
}

const OPEN_OR_CLOSE = /[[{"\]}]/g;

/** What stands in quotes opens nothing. */
function isTooDeep(text: string): boolean {
  OPEN_OR_CLOSE.lastIndex = 0;
  for (let depth = 0, match; (match = OPEN_OR_CLOSE.exec(text)) !== null;) {
    const [character] = match;
    if (character === '"') OPEN_OR_CLOSE.lastIndex = closingQuote(text, match.index) + 1;
    else if (character === "[" || character === "{") depth++;
    else depth--;
    if (depth > MOST_DEPTH) return true;
  }
  return false;
}

function closingQuote(text: string, open: number): number {
  for (let end = open; ;) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end;
  }
}
