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

/**
 * Writes `chunks` to a temporary name in the same folder, waits until they are on the disk, and renames.
 * When `chunks` throws, its error passes through and nothing is left behind.
 * @throws {GradloomError} when the folder is missing or cannot be written
 */
export async function writeAtomically(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  const fail = (error: unknown): never => {
    throw cannotWrite(path, error);
  };
  const handle = await files.open(temporary, "wx").catch(fail);
  try {
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
    await files.rename(temporary, path).catch(fail);
    await deleteTemporaries(path, ABANDONED).catch(() => undefined); // another's folder may not allow it
  } catch (error) {
    await files.remove(temporary);
    throw error;
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
