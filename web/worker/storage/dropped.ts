// Files that were dropped on the page: they are kept as a folder, which the library reads as it reads one in Node, and which is
// still there after a reload. What was dropped before stays until the new files have been found good, and for as long as
// another tab uses it.

import { HOME, list, needFolders, remove, writeBlob } from "./folders.ts";
import { hold, isHeld } from "./locks.ts";
import { readRecord, removeRun } from "./runs.ts";

export type Kind = "model" | "rows";

/** What this tab uses, and how it lets go of it. */
const used = new Map<Kind, { readonly folder: string; readonly letGo: () => void }>();

/**
 * Keeps files where `work` can do with them what it must, in place of those of before; otherwise lets them go.
 * @param work gets the path of the folder
 */
export async function keepIfGood<T>(
  kind: Kind,
  files: ReadonlyMap<string, Blob>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = newFolder(kind);
  const letGo = await hold(folder, "shared");
  try {
    await writeFiles(folder, files);
    const result = await work(folder);
    await use(kind, folder);
    await removeOthers(kind, folder);
    return result;
  } catch (error) {
    await remove(folder);
    throw error;
  } finally {
    letGo?.();
  }
}

/** This tab reads the folder from now on. */
export async function use(kind: Kind, folder: string): Promise<void> {
  if (used.get(kind)?.folder === folder) return;
  const letGo = await hold(folder, "shared");
  used.get(kind)?.letGo();
  if (letGo !== null) used.set(kind, { folder, letGo });
}

async function removeOthers(kind: Kind, folder: string): Promise<void> {
  for (const { name } of await list(HOME)) {
    const path = `${HOME}/${name}`;
    if ((name !== kind && !name.startsWith(`${kind}-`)) || path === folder) continue;
    if (await isHeld(path)) continue;
    // A stored run that needs what lies there cannot go on without.
    const record = await readRecord();
    const choices = [record?.model, record?.data];
    if (choices.some((choice) => choice?.from === "kept" && choice.folder === path)) {
      await removeRun();
    }
    await remove(path);
  }
}

/** A folder for as long as `work` takes. */
export async function withFolder<T>(
  files: ReadonlyMap<string, Blob>,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = newFolder("passing");
  try {
    await writeFiles(folder, files);
    return await work(folder);
  } finally {
    await remove(folder);
  }
}

/** The example's rows, which are the same in every tab. @returns path of the folder */
export async function keepExample(files: ReadonlyMap<string, Blob>): Promise<string> {
  const folder = `${HOME}/example`;
  await writeFiles(folder, files);
  return folder;
}

function newFolder(kind: string): string {
  return `${HOME}/${kind}-${crypto.randomUUID()}`;
}

async function writeFiles(folder: string, files: ReadonlyMap<string, Blob>): Promise<void> {
  needFolders();
  for (const [name, blob] of files) await writeBlob(`${folder}/${name}`, blob);
}
