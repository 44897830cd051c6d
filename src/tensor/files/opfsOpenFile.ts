// Open files of a page's private file system. Workers write in place; on the main thread a browser writes to a copy, which
// takes the file's place when it is closed.

import type { FileStatus, OpenFile } from "./fileStore.ts";

/** TypeScript's library for workers has it; its library for pages, which this is compiled with, has not. */
interface SyncAccessHandle {
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
interface HandleOfWorker extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
}

/** Bytes after which what was written to a copy becomes the file, at first and at most: each time the file is copied. */
const FIRST_COMMIT = 2 ** 24;
const LAST_COMMIT = 2 ** 28;

export function statusOf(kind: "file" | "directory", size: number, mtimeMs: number): FileStatus {
  return { isFile: () => kind === "file", isDirectory: () => kind !== "file", size, mtimeMs };
}

/** A file as it is now; reading fails once it changes. */
export async function openToRead(handle: FileSystemFileHandle): Promise<OpenFile> {
  const file = await handle.getFile();
  return {
    async read(bytes, offset, length, position) {
      const part = await file.slice(position, position + length).arrayBuffer();
      bytes.set(new Uint8Array(part), offset);
      return { bytesRead: part.byteLength };
    },
    write: () => Promise.reject(new Error("internal: a file that was opened to be read")),
    stat: () => Promise.resolve(statusOf("file", file.size, file.lastModified)),
    sync: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** @param release called when the file is closed */
export async function openToWrite(
  handle: FileSystemFileHandle,
  release: () => Promise<void>,
): Promise<OpenFile> {
  return isOfWorker(handle) ? openInPlace(handle, release) : openCopy(handle, release);
}

function isOfWorker(handle: FileSystemFileHandle): handle is HandleOfWorker {
  return "createSyncAccessHandle" in handle;
}

async function openInPlace(
  handle: HandleOfWorker,
  release: () => Promise<void>,
): Promise<OpenFile> {
  const access = await handle.createSyncAccessHandle();
  return {
    read: async (bytes, offset, length, at) => ({
      bytesRead: access.read(bytes.subarray(offset, offset + length), { at }),
    }),
    write: async (bytes, offset, length, at) => ({
      bytesWritten: access.write(bytes.subarray(offset, offset + (length ?? bytes.length)), { at }),
    }),
    stat: async () => statusOf("file", access.getSize(), Date.now()),
    sync: async () => access.flush(),
    close: async () => {
      access.flush();
      access.close();
      await release();
    },
  };
}

async function openCopy(
  handle: FileSystemFileHandle,
  release: () => Promise<void>,
): Promise<OpenFile> {
  let stream: FileSystemWritableFileStream | undefined;
  let pending = 0;
  const size = async () => (await handle.getFile()).size;
  let limit = FIRST_COMMIT;
  const commit = async () => {
    const open = stream;
    stream = undefined;
    pending = 0;
    await open?.close();
  };
  return {
    async read(bytes, offset, length, position) {
      await commit();
      return (await openToRead(handle)).read(bytes, offset, length, position);
    },
    async write(bytes, offset, length, position) {
      const data = new Uint8Array(bytes.subarray(offset, offset + (length ?? bytes.length)));
      stream ??= await handle.createWritable({ keepExistingData: true });
      await stream.write({ type: "write", position, data });
      pending += data.length;
      if (pending >= limit) {
        await commit();
        limit = Math.min(LAST_COMMIT, Math.max(FIRST_COMMIT, await size()));
      }
      return { bytesWritten: data.length };
    },
    async stat() {
      await commit();
      return statusOf("file", await size(), Date.now());
    },
    sync: commit,
    close: async () => {
      try {
        await commit();
      } finally {
        await release();
      }
    },
  };
}

/** Puts bytes in place of what a file holds, or behind it. */
export async function writeWhole(
  handle: FileSystemFileHandle,
  bytes: Uint8Array,
  append = false,
): Promise<void> {
  if (isOfWorker(handle)) {
    const access = await handle.createSyncAccessHandle();
    try {
      if (!append) access.truncate(0);
      const begin = append ? access.getSize() : 0;
      for (let done = 0; done < bytes.length;) {
        done += access.write(bytes.subarray(done), { at: begin + done });
      }
      access.flush();
    } finally {
      access.close();
    }
    return;
  }
  const position = append ? (await handle.getFile()).size : 0;
  const stream = await handle.createWritable({ keepExistingData: append });
  await stream.write({ type: "write", position, data: new Uint8Array(bytes) });
  await stream.close();
}
