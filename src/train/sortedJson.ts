/** `json.dumps(value, indent=2, sort_keys=True)` and a newline: what transformers writes its state with, and metrics by 4. */
export function sortedJson(value: unknown, indent = 2): string {
  return `${JSON.stringify(value, sortKeys, indent)}\n`;
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
