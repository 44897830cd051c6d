// JSON of files and servers. What is nested deeper than any of them writes would overflow the stack of whoever walks over it
// later (JSON.parse itself does not): Python's json stops at the same depth.

const MOST_DEPTH = 1000;

/**
 * `JSON.parse` for values at most so deep.
 * @throws {SyntaxError} for deeper ones, and as `JSON.parse`
 */
export function parseJson(text: string, mostDepth = MOST_DEPTH): unknown {
  if (text.length > mostDepth && bracketDepths(text, mostDepth).deepest > mostDepth)
    throw new SyntaxError(`values more than ${mostDepth} deep in each other`);
  return JSON.parse(text);
}

const BRACKET_OR_QUOTE = /[[{"\]}]/g;

/** How many brackets are open at most, and at the end; those in texts are none. Stops above `most`. */
export function bracketDepths(text: string, most = Infinity): { deepest: number; end: number } {
  let [deepest, depth] = [0, 0];
  BRACKET_OR_QUOTE.lastIndex = 0;
  for (let match; (match = BRACKET_OR_QUOTE.exec(text)) !== null;) {
    const [character] = match;
    if (character === '"') BRACKET_OR_QUOTE.lastIndex = closingQuote(text, match.index) + 1;
    else depth += character === "[" || character === "{" ? 1 : -1;
    deepest = Math.max(deepest, depth);
    if (deepest > most) break;
  }
  return { deepest, end: depth };
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
