// Folders of the disk, through Node.

import { nodeModule } from "../nodeModule.ts";
import type { FileStore } from "./fileStore.ts";

/** Node keeps no list of who writes; a file left on purpose has this time. */
const LEFT = 0;

export function nodeFiles(): FileStore {
  const fs = nodeModule("node:fs/promises");
  return {
    async makeFolder(path) {
      await fs.mkdir(path, { recursive: true });
    },
    readdir: (path) => fs.readdir(path),
    entries: (path) => fs.readdir(path, { withFileTypes: true }),
    readBytes: (path) => fs.readFile(path),
    readText: (path) => fs.readFile(path, "utf8"),
    writeFile: (path, content) => fs.writeFile(path, content),
    appendFile: (path, content) => fs.appendFile(path, content),
    copyFile: (from, to) => fs.copyFile(from, to),
    rename: (from, to) => fs.rename(from, to),
    remove: (path) => fs.rm(path, { recursive: true, force: true }),
    rmdir: (path) => fs.rmdir(path),
    stat: (path) => fs.stat(path),
    lstat: (path) => fs.lstat(path),
    realpath: (path) => fs.realpath(path),
    symlink: (target, path) => fs.symlink(target, path),
    open: (path, mode) => fs.open(path, mode),
    stream: (path) => nodeModule("node:fs").createReadStream(path),
    content: (path) => Promise.resolve(nodeModule("node:url").pathToFileURL(path)),
    async sync(path) {
      if (process.platform === "win32") return; // folders cannot be opened there
      const handle = await fs.open(path, "r");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async isBeingWritten(path) {
      return (await fs.stat(path)).mtimeMs === LEFT ? false : undefined;
    },
    leave: (path) => fs.utimes(path, LEFT, LEFT),
  };
}
