// Folders get another name all at once, which a page's file system does for files only: what is to be moved is written down
// first, and whoever comes after a page that was killed in the middle goes on with it.

import { FileError } from "./opfsErrors.ts";
import { forgetFolder, makeFolders } from "./opfsFolders.ts";
import { writeWhole } from "./opfsOpenFile.ts";
import { entriesOf, findEntry, LINK, parentOf, type MovableFile } from "./opfsTree.ts";
import { normalizedParts } from "./paths.ts";
import { withLock } from "./webLocks.ts";

/** Folder of the moves that are not finished, in the root. */
export const JOURNAL = ".gradloom-moves";

interface Move {
  readonly from: string;
  readonly to: string;
}

/** @param to nothing may be there */
export async function moveFolder(
  root: FileSystemDirectoryHandle,
  from: string,
  to: string,
): Promise<void> {
  await withLock(JOURNAL, async () => {
    const journal = await root.getDirectoryHandle(JOURNAL, { create: true });
    const name = crypto.randomUUID();
    const move: Move = { from, to };
    const note = await journal.getFileHandle(name, { create: true });
    await writeWhole(note, new TextEncoder().encode(JSON.stringify(move)));
    await carryOut(root, move);
    await journal.removeEntry(name);
  });
}

/** Ends the moves of pages that are gone. Waits for those that are going on. */
export async function finishMoves(root: FileSystemDirectoryHandle): Promise<void> {
  const journal = await root.getDirectoryHandle(JOURNAL).catch(() => undefined);
  if (journal === undefined || (await entriesOf(journal)).size === 0) return;
  await withLock(JOURNAL, async () => {
    for (const [name, note] of await entriesOf(journal)) {
      const move = note.kind === "file" ? parse(await (await note.file.getFile()).text()) : null;
      if (move !== null) await carryOut(root, move);
      await journal.removeEntry(name, { recursive: true });
    }
  });
}

/** null of a note that is not whole: its move has not begun. */
function parse(text: string): Move | null {
  try {
    const { from, to } = JSON.parse(text) as Partial<Move>;
    return typeof from === "string" && typeof to === "string" ? { from, to } : null;
  } catch {
    return null;
  }
}

async function carryOut(root: FileSystemDirectoryHandle, { from, to }: Move): Promise<void> {
  const source = await findEntry(root, from, false);
  if (source?.kind !== "directory") return; // it was all moved
  await moveContents(source.folder, await makeFolders(root, normalizedParts(`/${to}`)));
  const { folder, name } = await parentOf(root, from);
  await folder.removeEntry(name, { recursive: true });
  forgetFolder(normalizedParts(`/${from}`));
}

async function moveContents(
  from: FileSystemDirectoryHandle,
  to: FileSystemDirectoryHandle,
): Promise<void> {
  for (const [name, entry] of await entriesOf(from)) {
    if (entry.kind === "directory") {
      await moveContents(entry.folder, await to.getDirectoryHandle(name, { create: true }));
    } else await moveFile(entry.file, to, entry.kind === "link" ? name + LINK : name);
  }
}

/** Over a file of that name, at once. */
export async function moveFile(
  file: MovableFile,
  to: FileSystemDirectoryHandle,
  name: string,
): Promise<void> {
  if (file.move === undefined) {
    throw new FileError("ENOTSUP", `${name} (this browser cannot rename files; use a newer one)`);
  }
  await file.move(to, name);
}
