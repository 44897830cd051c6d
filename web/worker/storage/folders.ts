// The browser's private file system (OPFS) by paths: the library reads and writes models, rows and checkpoints there, and
// this module what only the page keeps.

/** Folder of what the page keeps beside the library's cache. */
export const HOME = "/gradloom-page";

async function folderAt(path: string, create: boolean): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path.split("/").filter(Boolean)) {
    folder = await folder.getDirectoryHandle(name, { create });
  }
  return folder;
}

function split(path: string): { readonly parent: string; readonly name: string } {
  const at = path.lastIndexOf("/");
  return { parent: path.slice(0, Math.max(at, 0)), name: path.slice(at + 1) };
}

/** Whether this page has such a file system at all: pages over http that are not localhost have none. */
export function hasFolders(): boolean {
  return (
    typeof (navigator.storage as Partial<StorageManager> | undefined)?.getDirectory === "function"
  );
}

/** @throws {Error} where there is none */
export function needFolders(): void {
  if (hasFolders()) return;
  throw new Error(
    "Files are kept in the browser's private files, which only pages over https or localhost have. Serve the page so.",
  );
}

export async function writeBlob(path: string, content: Blob): Promise<void> {
  const { parent, name } = split(path);
  const file = await (await folderAt(parent, true)).getFileHandle(name, { create: true });
  await content.stream().pipeTo(await file.createWritable());
}

/** null where there is no such file. */
export async function readFile(path: string): Promise<File | null> {
  const { parent, name } = split(path);
  try {
    return await (await (await folderAt(parent, false)).getFileHandle(name)).getFile();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** A file or folder with all in it; nothing happens where there is none. */
export async function remove(path: string): Promise<void> {
  const { parent, name } = split(path);
  try {
    await (await folderAt(parent, false)).removeEntry(name, { recursive: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Names and kinds in a folder; none where there is no folder. */
export async function list(
  path: string,
): Promise<readonly (FileSystemFileHandle | FileSystemDirectoryHandle)[]> {
  try {
    const folder = await folderAt(path, false);
    const found: (FileSystemFileHandle | FileSystemDirectoryHandle)[] = [];
    for await (const handle of folder.values()) {
      found.push(handle as FileSystemFileHandle | FileSystemDirectoryHandle);
    }
    return found;
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The files of a folder by name. */
export async function filesOf(path: string): Promise<Map<string, File>> {
  const found = new Map<string, File>();
  for (const handle of await list(path)) {
    if (handle.kind === "file") found.set(handle.name, await handle.getFile());
  }
  return found;
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof DOMException && ["NotFoundError", "TypeMismatchError"].includes(error.name)
  );
}
