// A folder appears whole or not at all: whatever kills the process, readers never see half of it.

import { files } from "../../tensor/files/files.ts";
import { basename, dirname, join } from "../../tensor/files/paths.ts";
import { CheckpointError, GradloomError } from "../../tensor/errors.ts";
import { fillUnseen } from "../../tensor/writeAtomically.ts";

/**
 * Names of folders that are being written, replaced or deleted, each with letters of its own; a crash leaves them behind.
 * Whoever's files look alike: only what holds the mark as well is brought back or deleted.
 */
const LEFTOVER = /^\.(checkpoint-\d+|model)\.[0-9a-f]{8}\.(partial|replaced|deleted)$/;
type Leftover = "partial" | "replaced" | "deleted";
const MARK = ".gradloom-temporary";
/** What every checkpoint holds, and a folder of somebody's own that has such a name hardly does. */
export const SIGN = "trainer_state.json";

/**
 * Fills a folder checkpoint-N under a temporary name beside it, waits until it is on the disk, and renames it. A folder that
 * exists is moved out of the way first, and deleted after; between the two, `recoverFolders` brings it back. When
 * `fill` throws, its error passes through and nothing is left behind.
 * @throws {CheckpointError} when the system refuses, or a folder of that name is there and is no checkpoint
 */
export async function writeFolderAtomically(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = hiddenName(folder, "partial");
  try {
    await files.makeFolder(temporary);
    await mark(temporary);
    await fillUnseen(temporary, () => fill(temporary));
    await files.syncTree(temporary);
    const replaced = await moveAway(folder, "replaced");
    await files.rename(temporary, folder);
    await files.remove(`${folder}/${MARK}`);
    await files.sync(dirname(folder));
    if (replaced !== null) await files.remove(replaced);
  } catch (error) {
    // What refused the folder may refuse this too; the first error is the one to tell.
    await files.remove(temporary).catch(() => undefined);
    throw explained(folder, error);
  }
}

/**
 * Fills a hidden folder inside `folder`, waits until it is on the disk, and moves its files to `folder`, over those of the
 * same names; all others stay. A process that is killed before leaves `folder` as it was. When `fill` throws, its error
 * passes through and nothing is left behind.
 * @throws {CheckpointError} when the system refuses
 */
export async function addFilesAtomically(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = hiddenName(join(folder, "model"), "partial");
  try {
    await files.makeFolder(temporary);
    await mark(temporary);
    await fillUnseen(temporary, () => fill(temporary));
    await files.syncTree(temporary);
    const names = (await files.readdir(temporary)).filter((name) => name !== MARK);
    for (const name of names) await files.rename(join(temporary, name), join(folder, name));
    await files.sync(folder);
  } catch (error) {
    throw explained(folder, error);
  } finally {
    await files.remove(temporary).catch(() => undefined);
  }
}

/** Deletes a checkpoint, which is gone from sight at once. Does nothing when there is none. */
export async function deleteFolder(folder: string): Promise<void> {
  const hidden = await moveAway(folder, "deleted");
  if (hidden !== null) await files.remove(hidden);
}

/** Whether a folder is a checkpoint. */
export async function isCheckpoint(folder: string): Promise<boolean> {
  const found = await files.stat(`${folder}/${SIGN}`).catch(() => null);
  return found?.isFile() === true;
}

/** Gives a checkpoint a hidden name. @returns that name; null when there is no folder */
async function moveAway(folder: string, what: Leftover): Promise<string | null> {
  const found = await files.lstat(folder).catch(() => null);
  if (found === null) return null;
  if (!(await isCheckpoint(folder))) {
    // An empty folder is nobody's loss.
    if (await files.rmdir(folder).then(...yesOrNo)) return null;
    throw new CheckpointError(
      `${folder}: must be a checkpoint or nothing, got something without ${SIGN}. Move it away, or set another outputDir.`,
    );
  }
  const hidden = hiddenName(folder, what);
  await mark(folder);
  await files.rename(folder, hidden);
  return hidden;
}

async function mark(folder: string): Promise<void> {
  await files.writeFile(`${folder}/${MARK}`, "gradloom is writing or deleting this folder\n");
}

/** Deletes what a process that was killed left in `parent`, once `recoverFolders` took what is of use. */
export async function deleteLeftovers(parent: string): Promise<void> {
  for (const { path, isMarked } of await leftovers(parent)) {
    if (isMarked) await files.remove(path);
    else await files.rmdir(path).catch(() => undefined); // killed before it was marked, and so empty
  }
}

/** Brings back checkpoints of `parent` whose replacement a kill cut short. Does nothing when there is no `parent`. */
export async function recoverFolders(parent: string): Promise<void> {
  for (const { path, folder, what, isMarked } of await leftovers(parent)) {
    if (what !== "replaced" || !isMarked) continue;
    if (await files.lstat(folder).then(...yesOrNo)) continue;
    await files.rename(path, folder);
    await files.remove(`${folder}/${MARK}`);
  }
}

const yesOrNo = [() => true, () => false] as const;

async function leftovers(parent: string) {
  const names = await files.readdir(parent).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const found = [];
  for (const name of names) {
    const [, folder, what] = LEFTOVER.exec(name) ?? [];
    const path = join(parent, name);
    if (folder === undefined || !(await files.lstat(path)).isDirectory()) continue;
    const isMarked = await files.lstat(join(path, MARK)).then(...yesOrNo);
    found.push({ path, folder: join(parent, folder), what: what as Leftover, isMarked });
  }
  return found;
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function hiddenName(folder: string, what: Leftover): string {
  const own = crypto.randomUUID().slice(0, 8);
  return join(dirname(folder), `.${basename(folder)}.${own}.${what}`);
}

function explained(folder: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof GradloomError || code === undefined) return error;
  return new CheckpointError(
    `${folder}: must be a place that can be written to, got ${code} from the system. ` +
      "Free some space, change its permissions, or set another outputDir.",
    { cause: error },
  );
}
