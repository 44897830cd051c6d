// What the library asks of a file system. Node's folders and the private file system of a page answer alike, so that
// what reads and writes them is written once.

/** As Node's Stats, as far as it is used. */
export interface FileStatus {
  isFile(): boolean;
  isDirectory(): boolean;
  /** In bytes. */
  readonly size: number;
  /** Milliseconds since 1970 of the last write; 0 of a page's folder. */
  readonly mtimeMs: number;
}

/** An entry of a folder. Of a link it says that it is one, not what it leads to. */
export interface FolderEntry {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export interface OpenFile {
  /** Reads into `bytes` at `offset`. `bytesRead` is 0 at the end. */
  read(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number | undefined,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  stat(): Promise<FileStatus>;
  /** Waits until the disk has what was written. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** "r" to read, "r+" to write to what is there, "wx" and "wx+" to make a file that is not. */
export type OpenMode = "r" | "r+" | "wx" | "wx+";

/**
 * Methods bear the names of node:fs/promises where they do the same. They reject with Node's codes: ENOENT, EEXIST, ENOTDIR,
 * EISDIR, ENOTEMPTY, EBUSY, ENOSPC, EACCES.
 */
export interface FileStore {
  /** With the folders above it; does nothing where it exists. */
  makeFolder(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  entries(path: string): Promise<FolderEntry[]>;
  readBytes(path: string): Promise<Uint8Array<ArrayBuffer>>;
  readText(path: string): Promise<string>;
  /** In place of what is there. */
  writeFile(path: string, content: string | Uint8Array): Promise<void>;
  appendFile(path: string, content: string | Uint8Array): Promise<void>;
  copyFile(from: string, to: string): Promise<void>;
  /** A file or folder, over a file of that name: the new name stands for the old file or the new one at any time. */
  rename(from: string, to: string): Promise<void>;
  /** A file, or a folder with all in it; does nothing where there is none. */
  remove(path: string): Promise<void>;
  /** An empty folder. */
  rmdir(path: string): Promise<void>;
  stat(path: string): Promise<FileStatus>;
  /**
   * When a folder was written, in milliseconds. Pages do not know it of folders: there it is the time of its file `sign`, for to look at
   * all files takes a handle of each.
   */
  folderTime(path: string, sign: string): Promise<number>;
  /** Of a link itself. */
  lstat(path: string): Promise<FileStatus>;
  realpath(path: string): Promise<string>;
  /** @param target relative to the folder of `path` */
  symlink(target: string, path: string): Promise<void>;
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** The bytes of a file, piece by piece. */
  stream(path: string): AsyncIterable<Uint8Array>;
  /** What a request can send: a file: address in Node, a Blob in pages. */
  content(path: string): Promise<URL | Blob>;
  /** Waits until the disk has the file, or the names in the folder. */
  sync(path: string): Promise<void>;
  /** The same for a folder and all in it. */
  syncTree(path: string): Promise<void>;
  /** Whether somebody has the file open to write; undefined where the system cannot tell, and growth must. */
  isBeingWritten(path: string): Promise<boolean | undefined>;
  /** Says of a file that is not whole that nobody writes to it any more. */
  leave(path: string): Promise<void>;
}
