// Text files piece by piece.

import { DatasetError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";

/**
 * The text of a file in pieces of 64 KiB; a byte order mark is left out.
 * @param bytes its content, when it lies packed in the file
 * @throws {DatasetError} when it cannot be read, or is not UTF-8
 */
export async function* textPieces(
  file: string,
  bytes: AsyncIterable<Uint8Array> = files.stream(file),
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of bytes) {
      const text = decoder.decode(chunk, { stream: true });
      if (text !== "") yield text;
    }
    decoder.decode(); // throws for a character that is cut off
  } catch (error) {
    throw readError(file, error);
  }
}

/** Characters of a value that is read as one string: half of what V8 can hold, for it is there twice for a moment. */
export const LONGEST_TEXT = 2 ** 28;

/**
 * Lines without their ends. `readline` would also end them at U+2028, which JSON allows inside texts.
 * @throws {RangeError} while iterating, for a line longer than LONGEST_TEXT, before it fills the memory
 */
export async function* linesOf(
  pieces: AsyncIterable<string>,
): AsyncGenerator<string, void, undefined> {
  // Pieces of one line, put together once: a line of many pieces would be copied for each.
  let rest: string[] = [];
  let length = 0;
  for await (const piece of pieces) {
    const parts = piece.split("\n");
    const last = parts.pop()!;
    if (parts.length > 0) {
      parts[0] = rest.join("") + parts[0]!;
      rest = [];
      length = 0;
      yield* parts;
    }
    rest.push(last);
    length += last.length;
    if (length > LONGEST_TEXT) throw new RangeError("a line longer than texts may be");
  }
  const line = rest.join("");
  if (line !== "") yield line;
}

export function readError(file: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof DatasetError || (code === undefined && !(error instanceof TypeError)))
    return error;
  if (code === "ERR_ENCODING_INVALID_ENCODED_DATA" || error instanceof TypeError) {
    return new DatasetError(
      `${file}: must be UTF-8 text, got other bytes. Convert it, for example with iconv -t UTF-8.`,
      { cause: error },
    );
  }
  return new DatasetError(
    `${file}: must be a file that can be read, got ${code}. Check the path.`,
    {
      cause: error,
    },
  );
}
