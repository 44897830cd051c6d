// Folders of a page's private file system by their paths. A browser makes a new handle each time that one is asked for, and it holds
// some kilobytes outside the heap of JavaScript until a collection, which nothing hurries: whoever writes a checkpoint walks the same
// path dozens of times. A handle stands for a path, whatever is there (https://fs.spec.whatwg.org/#concept-file-system-locator), so
// one that is kept is as good as a new one.

import { isNamed } from "./opfsErrors.ts";

/** More are not in use at a time: the folders of a run, and of a repository of the Hub. */
const MOST_KEPT = 64;

/** By path, those asked for last at the end. */
const kept = new Map<string, FileSystemDirectoryHandle>();

/**
 * The folder of a path. One that was found before is given as it is: what is asked of it rejects with NotFoundError once it is gone.
 * @throws {DOMException} NotFoundError or TypeMismatchError where there is none
 */
export async function folderOf(
  root: FileSystemDirectoryHandle,
  parts: readonly string[],
): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const [i, name] of parts.entries()) {
    const path = parts.slice(0, i + 1).join("/");
    folder = kept.get(path) ?? (await folder.getDirectoryHandle(name));
    keep(path, folder);
  }
  return folder;
}

/** The same, made where it is not. */
export async function makeFolders(
  root: FileSystemDirectoryHandle,
  parts: readonly string[],
): Promise<FileSystemDirectoryHandle> {
  const name = parts.at(-1);
  if (name === undefined) return root;
  const above = parts.slice(0, -1);
  const make = async (parent: FileSystemDirectoryHandle): Promise<FileSystemDirectoryHandle> => {
    const folder = await parent.getDirectoryHandle(name, { create: true });
    keep(parts.join("/"), folder);
    return folder;
  };
  try {
    return await make(await folderOf(root, above));
  } catch (error) {
    if (!isNamed(error, "NotFoundError")) throw error;
    return make(await makeFolders(root, above));
  }
}

/** Of a path that was found just now. */
export function keptFolder(parts: readonly string[]): FileSystemDirectoryHandle | undefined {
  return kept.get(parts.join("/"));
}

/** A folder was deleted, or has another name now. */
export function forgetFolder(parts: readonly string[]): void {
  const path = parts.join("/");
  for (const each of kept.keys()) {
    if (each === path || each.startsWith(`${path}/`)) kept.delete(each);
  }
}

function keep(path: string, folder: FileSystemDirectoryHandle): void {
  kept.delete(path);
  kept.set(path, folder);
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT) kept.delete(oldest!);
}
