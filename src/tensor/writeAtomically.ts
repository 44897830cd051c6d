// A file appears whole or not at all: a crash in the middle of a save leaves the file before it intact.

import { GradloomError } from "./errors.ts";
import { files } from "./files/files.ts";
import { basename, dirname, join } from "./files/paths.ts";

/** Bytes per call of the system: Linux moves at most 2^31 - 4096. */
const WRITE_LIMIT = 2 ** 30;

/** What follows the name of a file while it is written. */
const TEMPORARY = /^[0-9a-f]{8}\.tmp$/;
/** Milliseconds after which nobody writes to a temporary file any more. */
const ABANDONED = 3_600_000;

/** Folders that are filled now and that nobody reads before they are whole. */
const unseen = new Set<string>();

/**
 * Fills a folder that gets its name once all is in it: its files are whole then, and need no other names meanwhile. In pages each name
 * is a handle, and each handle kilobytes until a collection.
 */
export async function fillUnseen(folder: string, fill: () => Promise<void>): Promise<void> {
  unseen.add(folder);
  try {
    await fill();
  } finally {
    unseen.delete(folder);
  }
}

function isUnseen(path: string): boolean {
  return [...unseen].some((folder) => path.startsWith(`${folder}/`));
}

/**
 * Writes `chunks` to a temporary name in the same folder, waits until they are on the disk, and renames.
 * When `chunks` throws, its error passes through and nothing is left behind.
 * @throws {GradloomError} when the folder is missing or cannot be written
 */
export async function writeAtomically(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  if (isUnseen(path)) {
    await files.remove(path); // whoever fills the folder may write a file twice
    return writeTo(path, path, chunks);
  }
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await writeTo(temporary, path, chunks);
    await files.rename(temporary, path).catch((error: unknown) => {
      throw cannotWrite(path, error);
    });
    await deleteTemporaries(path, ABANDONED).catch(() => undefined); // another's folder may not allow it
  } catch (error) {
    // What refused the file may refuse this too; the first error is the one to tell.
    await files.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** @param path what errors name */
async function writeTo(
  place: string,
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const fail = (error: unknown): never => {
    throw cannotWrite(path, error);
  };
  const handle = await files.open(place, "wx").catch(fail);
  try {
    let size = 0;
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length;) {
        const length = Math.min(chunk.length - done, WRITE_LIMIT);
        const { bytesWritten } = await handle.write(chunk, done, length, size).catch(fail);
        done += bytesWritten;
        size += bytesWritten;
      }
    }
    await handle.sync().catch(fail);
  } finally {
    await handle.close();
  }
}

/**
 * Deletes what processes that were killed left of writing `path`.
 * @param age milliseconds since the last write to such a file; one that is being written is younger
 */
export async function deleteTemporaries(path: string, age = 0): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  for (const name of await files.readdir(folder)) {
    if (!name.startsWith(prefix) || !TEMPORARY.test(name.slice(prefix.length))) continue;
    const temporary = join(folder, name);
    const found = await files.stat(temporary).catch(() => null);
    if (found && Date.now() - found.mtimeMs >= age) await files.remove(temporary);
  }
}

function cannotWrite(path: string, error: unknown): GradloomError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const cures: Record<string, string> = {
    ENOENT: "its folder does not exist. Create it first.",
    ENOSPC: "the disk is full. Free some space.",
    EACCES: "its folder does not allow it. Change the permissions, or save elsewhere.",
    EISDIR: "it is a folder. Give the name of a file.",
  };
  const reason = cures[code] ?? `the system says ${code}.`;
  return new GradloomError(`write: ${path} cannot be written: ${reason}`, { cause: error });
}
