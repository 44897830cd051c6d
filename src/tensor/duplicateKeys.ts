// JSON.parse keeps the last of two equal keys and says nothing; formats that forbid duplicates need to know.

/**
 * The first key that occurs twice in one object of `json`, escapes resolved; null when there is none.
 * @param json text that JSON.parse accepts
 */
export function findDuplicateKey(json: string): string | null {
  const scopes: Set<string>[] = []; // keys seen, one set for each open { or [
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === "{" || char === "[") scopes.push(new Set());
    else if (char === "}" || char === "]") scopes.pop();
    else if (char === '"') {
      const end = closingQuote(json, i);
      // In valid JSON, a colon follows a string if and only if the string is a key.
      if (nextVisible(json, end + 1) === ":") {
        const key = JSON.parse(json.slice(i, end + 1)) as string;
        const seen = scopes.at(-1)!;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      i = end;
    }
  }
  return null;
}

function closingQuote(json: string, open: number): number {
  let i = open + 1;
  while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
  return i;
}

function nextVisible(json: string, start: number): string | undefined {
  let i = start;
  while (json[i] === " " || json[i] === "\n" || json[i] === "\r" || json[i] === "\t") i++;
  return json[i];
}
