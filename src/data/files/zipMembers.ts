// The files in a zip archive, through yauzl.

import type { Entry, ZipFile } from "yauzl";
import { DatasetError } from "../../tensor/errors.ts";
import { isNode } from "../../tensor/runtime.ts";
import { isDataFile } from "./dataFormat.ts";
import type { Bytes } from "./byteQueue.ts";

export interface ZipMember {
  /** Path in the archive, with slashes. */
  readonly name: string;
  readonly bytes: Bytes;
}

/**
 * The members that hold rows, sorted by name; hidden ones and those of folders such as __MACOSX are left out, as
 * `datasets` does.
 * @param isWanted whether a name is that of a file with rows
 * @throws {DatasetError} naming the archive when it is damaged or encrypted
 */
export async function* zipMembers(
  file: string,
  isWanted: (name: string) => boolean = isDataFile,
): AsyncGenerator<ZipMember, void, undefined> {
  if (!isNode) {
    throw new DatasetError(
      `${file}: must be plain or packed with gzip, xz or zstd in pages, got a zip archive, which needs Node. Unpack it.`,
    );
  }
  const { openPromise } = await import("yauzl");
  let archive: ZipFile | undefined;
  try {
    archive = await openPromise(file, { autoClose: false });
    const entries: Entry[] = [];
    for await (const entry of archive.eachEntry()) entries.push(entry);
    const isShown = ({ fileName }: Entry): boolean =>
      !fileName.endsWith("/") && !fileName.split("/").some((part) => /^(\.|__)/.test(part));
    const wanted = entries.filter((entry) => isShown(entry) && isWanted(entry.fileName));
    wanted.sort((a, b) => (a.fileName < b.fileName ? -1 : 1));
    for (const entry of wanted) {
      yield { name: entry.fileName, bytes: member(file, archive, entry) };
    }
  } catch (error) {
    throw zipError(file, error);
  } finally {
    archive?.close();
  }
}

async function* member(
  file: string,
  archive: ZipFile,
  entry: Entry,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* (await archive.openReadStreamPromise(entry)) as AsyncIterable<Buffer>;
  } catch (error) {
    throw zipError(`${file} (${entry.fileName})`, error);
  }
}

function zipError(file: string, error: unknown): unknown {
  if (error instanceof DatasetError || (error as NodeJS.ErrnoException).syscall !== undefined)
    return error;
  const { message } = error as Error;
  return new DatasetError(
    `${file}: must be a zip archive that can be read, got ${message}. Download it again, or unpack it.`,
    { cause: error },
  );
}
