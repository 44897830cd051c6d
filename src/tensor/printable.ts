// Text of files, models and servers for a terminal or a log: nothing in it moves the cursor, changes colours or the title,
// or turns the direction of writing. JSON and files get the text as it is.

/** C0 but tab and newline, DEL, C1, and the marks that turn or embed the direction of writing. */
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Controls become visible: ESC is ␛ (U+241B), others \x9b or \u202e. Windows' line ends become newlines. */
export function printable(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(CONTROL, (control) => {
    const code = control.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return code < 0x100 ? `\\x${code.toString(16)}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Longest value that a message quotes, and longest message. */
const [QUOTED_LIMIT, MESSAGE_LIMIT] = [200, 1400];
const QUOTED = /"((?:[^"\\]|\\.)*)"/gs;
/** What of a message is looked at. */
const READ_LIMIT = 20_000;

/** The message of an error: printable, long values and what is far too long cut. */
export function printableMessage(message: string): string {
  const shortened = message
    .slice(0, READ_LIMIT)
    .replace(QUOTED, (quoted, value: string) =>
      value.length <= QUOTED_LIMIT
        ? quoted
        : `"${value.slice(0, QUOTED_LIMIT)}..." (${value.length} characters)`,
    );
  const text = printable(shortened);
  return text.length <= MESSAGE_LIMIT ? text : `${text.slice(0, MESSAGE_LIMIT)}...`;
}
