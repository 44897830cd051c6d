// The private file system of a page (Origin Private File System): folders that only pages of one origin see.

import { GradloomError } from "../errors.ts";
import type { FileStatus, FileStore, FolderEntry, OpenFile, OpenMode } from "./fileStore.ts";
import { coded, FileError, isNamed } from "./opfsErrors.ts";
import { forgetFolder, makeFolders } from "./opfsFolders.ts";
import { finishMoves, JOURNAL, moveFile, moveFolder } from "./opfsMoves.ts";
import { openToRead, openToWrite, statusOf, writeWhole } from "./opfsOpenFile.ts";
import { entriesOf, findEntry, LINK, parentOf, removeQuietly, type Entry } from "./opfsTree.ts";
import { normalizedParts } from "./paths.ts";
import { tryLock } from "./webLocks.ts";

let opened: Promise<FileSystemDirectoryHandle> | undefined;

/** @throws {GradloomError} on pages that have none */
function openRoot(): Promise<FileSystemDirectoryHandle> {
  opened ??= (async () => {
    const storage = globalThis.navigator?.storage as Partial<StorageManager> | undefined;
    if (storage?.getDirectory === undefined || navigator.locks === undefined) {
      throw new GradloomError(
        "files: folders and the Hub's cache need the private file system of a browser, which pages over https or localhost have, got none. " +
          "Serve the page so, or pass files as a Map from name to Blob.",
      );
    }
    const root = await storage.getDirectory();
    await finishMoves(root);
    return root;
  })();
  opened.catch(() => (opened = undefined));
  return opened;
}

/** The entry of a path, and links followed. @throws {FileError} ENOENT */
async function entryAt(path: string, follow = true): Promise<Entry> {
  const entry = await findEntry(await openRoot(), path, follow);
  if (entry === undefined) throw new FileError("ENOENT", path);
  return entry;
}

async function fileAt(path: string) {
  const entry = await entryAt(path);
  if (entry.kind === "directory") throw new FileError("EISDIR", path);
  return entry.file;
}

/** What is in a folder once moves that were cut short are finished. */
async function listAt(path: string): Promise<Map<string, Entry>> {
  const root = await openRoot();
  await finishMoves(root);
  const entry = await entryAt(path);
  if (entry.kind !== "directory") throw new FileError("ENOTDIR", path);
  const found = await entriesOf(entry.folder);
  if (normalizedParts(`/${path}`).length === 0) found.delete(JOURNAL);
  return found;
}

/** The file to write to; made where there is none. A link leads to the file. */
async function fileToWrite(path: string) {
  const entry = await findEntry(await openRoot(), path, true);
  if (entry?.kind === "directory") throw new FileError("EISDIR", path);
  if (entry !== undefined) return entry.file;
  const { folder, name } = await parentOf(await openRoot(), path);
  return folder.getFileHandle(name, { create: true });
}

async function statusAt(path: string, follow: boolean): Promise<FileStatus> {
  const entry = await entryAt(path, follow);
  if (entry.kind === "directory") return statusOf("directory", 0, 0);
  const { size, lastModified } = await entry.file.getFile();
  return entry.kind === "link"
    ? { isFile: () => false, isDirectory: () => false, size, mtimeMs: lastModified }
    : statusOf("file", size, lastModified);
}

async function openAt(path: string, mode: OpenMode) {
  if (mode === "r") return openToRead(await fileAt(path));
  const release = await tryLock(lockName(path));
  const makes = mode !== "r+";
  if (release === null) throw new FileError(makes ? "EEXIST" : "EBUSY", path);
  try {
    if (makes && (await findEntry(await openRoot(), path, false)) !== undefined) {
      throw new FileError("EEXIST", path);
    }
    return await openToWrite(makes ? await fileToWrite(path) : await fileAt(path), release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Held by who has the file open to write. */
const lockName = (path: string): string =>
  `gradloom file /${normalizedParts(`/${path}`).join("/")}`;

async function rename(from: string, to: string): Promise<void> {
  const root = await openRoot();
  const source = await entryAt(from, false);
  const { folder, name } = await parentOf(root, to);
  const target = await findEntry(root, to, false);
  if (source.kind === "directory") {
    if (target !== undefined) await removeEmpty(to);
    await moveFolder(root, from, to);
    return;
  }
  if (target?.kind === "directory") throw new FileError("EISDIR", to);
  const [own, other] = source.kind === "link" ? [name + LINK, name] : [name, name + LINK];
  await moveFile(source.file, folder, own);
  await removeQuietly(folder, other);
}

async function removeEmpty(path: string): Promise<void> {
  const { folder, name } = await parentOf(await openRoot(), path);
  const entry = await entryAt(path, false);
  if (entry.kind !== "directory") throw new FileError("ENOTDIR", path);
  forgetFolder(normalizedParts(`/${path}`));
  await folder.removeEntry(name);
}

async function remove(path: string): Promise<void> {
  const place = await parentOf(await openRoot(), path).catch((error: unknown) => {
    if (isNamed(error, "NotFoundError")) return null;
    throw error;
  });
  forgetFolder(normalizedParts(`/${path}`));
  if (place === null) return;
  await removeQuietly(place.folder, place.name);
  await removeQuietly(place.folder, place.name + LINK);
}

function folderEntry([name, { kind }]: [string, Entry]): FolderEntry {
  return {
    name,
    isFile: () => kind === "file",
    isDirectory: () => kind === "directory",
    isSymbolicLink: () => kind === "link",
  };
}

function withCodes(path: string, file: OpenFile): OpenFile {
  return {
    read: (...rest) => coded(path, () => file.read(...rest)),
    write: (...rest) => coded(path, () => file.write(...rest)),
    stat: () => coded(path, () => file.stat()),
    sync: () => coded(path, () => file.sync()),
    close: () => coded(path, () => file.close()),
  };
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;

async function* stream(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = (await coded(path, async () => (await fileAt(path)).getFile()))
    .stream()
    .getReader();
  try {
    for (;;) {
      const { done, value } = await coded(path, () => reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

const blobAt = (path: string): Promise<File> =>
  coded(path, async () => (await fileAt(path)).getFile());

export const opfsFiles: FileStore = {
  makeFolder: (path) =>
    coded(path, async () => {
      await makeFolders(await openRoot(), normalizedParts(`/${path}`));
    }),
  readdir: (path) => coded(path, async () => [...(await listAt(path)).keys()].sort()),
  entries: (path) => coded(path, async () => [...(await listAt(path))].map(folderEntry)),
  readBytes: async (path) => new Uint8Array(await (await blobAt(path)).arrayBuffer()),
  readText: async (path) => (await blobAt(path)).text(),
  writeFile: (path, content) =>
    coded(path, async () => writeWhole(await fileToWrite(path), bytesOf(content))),
  appendFile: (path, content) =>
    coded(path, async () => writeWhole(await fileToWrite(path), bytesOf(content), true)),
  async copyFile(from, to) {
    const file = await blobAt(from);
    await coded(to, async () =>
      writeWhole(await fileToWrite(to), new Uint8Array(await file.arrayBuffer())),
    );
  },
  rename: (from, to) => coded(from, () => rename(from, to)),
  remove: (path) => coded(path, () => remove(path)),
  rmdir: (path) => coded(path, () => removeEmpty(path)),
  stat: (path) => coded(path, () => statusAt(path, true)),
  folderTime: (path, sign) =>
    coded(path, async () => (await statusAt(`${path}/${sign}`, true)).mtimeMs),
  lstat: (path) => coded(path, () => statusAt(path, false)),
  realpath: (path) =>
    coded(path, async () => {
      await entryAt(path);
      return `/${normalizedParts(`/${path}`).join("/")}`;
    }),
  symlink: (target, path) =>
    coded(path, async () => {
      const { folder, name } = await parentOf(await openRoot(), path);
      const file = await folder.getFileHandle(name + LINK, { create: true });
      await writeWhole(file, bytesOf(target));
    }),
  open: (path, mode) => coded(path, async () => withCodes(path, await openAt(path, mode))),
  stream,
  content: blobAt,
  sync: () => Promise.resolve(), // every write is flushed when its file is closed
  syncTree: () => Promise.resolve(),
  async isBeingWritten(path) {
    const release = await tryLock(lockName(path));
    await release?.();
    return release === null;
  },
  leave: () => Promise.resolve(), // closing the file says it
};
