// The one way out for what a caller should know and need not stop for: stderr, or wherever a program sends it.

/** Takes one warning, a line without a mark of its own. */
export type WarningHandler = (text: string) => void;

const toConsole: WarningHandler = (text) => console.warn(`warning: ${text}`);
let handler = toConsole;

/**
 * Sends warnings elsewhere than `console.warn`: to a log, or with a handler that throws to an error.
 * @param next null puts `console.warn` back
 * @returns the handler until now
 */
export function setWarningHandler(next: WarningHandler | null): WarningHandler {
  const before = handler;
  handler = next ?? toConsole;
  return before;
}

/** Says `text` once. Like an error's, a message reads `<subject>: <what is>. <cure>`, on one line. */
export function warn(text: string): void {
  handler(text);
}
