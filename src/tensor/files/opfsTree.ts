// Names in the private file system of a page (https://fs.spec.whatwg.org). It knows no links, and the cache of the Hub has
// them: one is a file with a name of its own that holds where it leads to.

import { FileError, isNamed } from "./opfsErrors.ts";
import { folderOf, keptFolder, makeFolders } from "./opfsFolders.ts";
import { normalizedParts } from "./paths.ts";

/** What follows the name of a link. */
export const LINK = ".gradloom-link";
/** A link may lead to a link; so many, and it is a circle. */
const MOST_LINKS = 10;

/** What TypeScript's DOM leaves out: it is in browsers since 2023. */
export interface MovableFile extends FileSystemFileHandle {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

export type Entry =
  | { readonly kind: "directory"; readonly folder: FileSystemDirectoryHandle }
  | { readonly kind: "file" | "link"; readonly file: MovableFile };

/** What stands in a folder, links as they are. */
export async function entriesOf(folder: FileSystemDirectoryHandle): Promise<Map<string, Entry>> {
  const listed = folder as unknown as AsyncIterable<[string, FileSystemHandle]>;
  const found = new Map<string, Entry>();
  for await (const [name, handle] of listed) {
    if (handle.kind === "directory") {
      found.set(name, { kind: "directory", folder: handle as FileSystemDirectoryHandle });
    } else if (name.endsWith(LINK)) {
      found.set(name.slice(0, -LINK.length), { kind: "link", file: handle as MovableFile });
    } else found.set(name, { kind: "file", file: handle as MovableFile });
  }
  return found;
}

/** @returns undefined where a part of the path is not there, or is a file */
export async function findEntry(
  root: FileSystemDirectoryHandle,
  path: string,
  follow: boolean,
): Promise<Entry | undefined> {
  let parts = normalizedParts(`/${path}`);
  for (let links = 0; links < MOST_LINKS; links++) {
    const entry = await descend(root, parts);
    if (entry?.kind !== "link" || !follow) return entry;
    const target = await (await entry.file.getFile()).text();
    parts = normalizedParts(`/${[...parts.slice(0, -1), target].join("/")}`);
  }
  throw new FileError("ELOOP", path);
}

async function descend(
  root: FileSystemDirectoryHandle,
  parts: readonly string[],
): Promise<Entry | undefined> {
  const name = parts.at(-1);
  if (name === undefined) return { kind: "directory", folder: root };
  try {
    const folder = await folderOf(root, parts.slice(0, -1));
    return await entryOf(folder, name, keptFolder(parts));
  } catch (error) {
    // Above it is nothing, or a file, or a link.
    if (isNamed(error, "NotFoundError") || isNamed(error, "TypeMismatchError")) return undefined;
    throw error;
  }
}

/**
 * @param kept a handle for it, where it should be a folder
 * @returns undefined where nothing stands under that name
 */
async function entryOf(
  folder: FileSystemDirectoryHandle,
  name: string,
  kept: FileSystemDirectoryHandle | undefined,
): Promise<Entry | undefined> {
  try {
    return { kind: "file", file: await folder.getFileHandle(name) };
  } catch (error) {
    if (isNamed(error, "TypeMismatchError")) {
      return { kind: "directory", folder: kept ?? (await folder.getDirectoryHandle(name)) };
    }
    if (!isNamed(error, "NotFoundError")) throw error;
  }
  const link = await folder.getFileHandle(name + LINK).catch(() => undefined);
  return link && { kind: "link", file: link };
}

/** Folder and last name of a path. @throws {FileError} ENOENT where there is no such folder, unless `create` makes it */
export async function parentOf(
  root: FileSystemDirectoryHandle,
  path: string,
  create = false,
): Promise<{ readonly folder: FileSystemDirectoryHandle; readonly name: string }> {
  const parts = normalizedParts(`/${path}`);
  const name = parts.pop();
  if (name === undefined) throw new FileError("EISDIR", path);
  return { folder: await (create ? makeFolders : folderOf)(root, parts), name };
}

/** Does nothing where there is none. */
export async function removeQuietly(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<void> {
  await folder.removeEntry(name, { recursive: true }).catch((error: unknown) => {
    if (!isNamed(error, "NotFoundError")) throw error;
  });
}
