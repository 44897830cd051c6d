// A folder appears whole or not at all: whatever kills the process, readers never see half of it. Node only.

import { CheckpointError, GradloomError } from "../../tensor/errors.ts";

/** Names of folders that are being written, replaced or deleted; a crash leaves them behind. */
const LEFTOVER = /^\.(.+)\.(partial|replaced|deleted)$/;
type Leftover = "partial" | "replaced" | "deleted";

/**
 * Fills a folder under a temporary name beside it, waits until it is on the disk, and renames it. A folder that
 * exists is moved out of the way first, and deleted after; between the two, `recoverFolders` brings it back. When
 * `fill` throws, its error passes through and nothing is left behind.
 * @throws {CheckpointError} when the system refuses
 */
export async function writeFolderAtomically(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const { mkdir, rename, rm } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const temporary = await hiddenName(folder, "partial");
  const replaced = await hiddenName(folder, "replaced");
  try {
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await syncTree(temporary);
    await renameIfThere(folder, replaced);
    await rename(temporary, folder);
    await syncPath(dirname(folder));
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    // What refused the folder may refuse this too; the first error is the one to tell.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw explained(folder, error);
  }
}

/** Deletes a folder, which is gone from sight at once. Does nothing when there is none. */
export async function deleteFolder(folder: string): Promise<void> {
  const { rm } = await import("node:fs/promises");
  const hidden = await hiddenName(folder, "deleted");
  await renameIfThere(folder, hidden);
  await rm(hidden, { recursive: true, force: true });
}

/** Takes the place of whatever is at `to`. Does nothing when there is no folder. */
async function renameIfThere(folder: string, to: string): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  await rm(to, { recursive: true, force: true });
  await rename(folder, to).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** Deletes what a process that was killed left in `parent`, once `recoverFolders` took what is of use. */
export async function deleteLeftovers(parent: string): Promise<void> {
  const { rm } = await import("node:fs/promises");
  for (const { path } of await leftovers(parent)) await rm(path, { recursive: true, force: true });
}

/** Brings back folders of `parent` whose replacement a kill cut short. Does nothing when there is no `parent`. */
export async function recoverFolders(parent: string): Promise<void> {
  const { rename, stat } = await import("node:fs/promises");
  for (const { path, folder, what } of await leftovers(parent)) {
    if (what !== "replaced") continue;
    const isThere = await stat(folder).then(
      () => true,
      () => false,
    );
    if (!isThere) await rename(path, folder);
  }
}

async function leftovers(parent: string) {
  const { readdir } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const names = await readdir(parent).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return names.flatMap((name) => {
    const [, folder, what] = LEFTOVER.exec(name) ?? [];
    if (folder === undefined) return [];
    return [{ path: join(parent, name), folder: join(parent, folder), what: what as Leftover }];
  });
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

async function hiddenName(folder: string, what: Leftover): Promise<string> {
  const { basename, dirname, join } = await import("node:path");
  return join(dirname(folder), `.${basename(folder)}.${what}`);
}

/** Files first, then the folder that lists them. */
async function syncTree(folder: string): Promise<void> {
  const { readdir } = await import("node:fs/promises");
  const { join } = await import("node:path");
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    await (entry.isDirectory() ? syncTree(path) : syncPath(path));
  }
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  if (process.platform === "win32") return; // folders cannot be opened there
  const { open } = await import("node:fs/promises");
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
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
