// Folders of the disk, through Node.

import { nodeModule } from "../nodeModule.ts";
import type { FileStore } from "./fileStore.ts";
import { join } from "./paths.ts";

/** Node keeps no list of who writes; a file left on purpose has this time. */
const LEFT = 0;

export function nodeFiles(): FileStore {
  const fs = nodeModule("node:fs/promises");

  async function sync(path: string): Promise<void> {
    if (process.platform === "win32") return; // folders cannot be opened there
    const handle = await fs.open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Files first, then the folder that lists them. */
  async function syncTree(folder: string): Promise<void> {
    for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      await (entry.isDirectory() ? syncTree(path) : sync(path));
    }
    await sync(folder);
  }

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
    folderTime: async (path) => (await fs.stat(path)).mtimeMs,
    lstat: (path) => fs.lstat(path),
    realpath: (path) => fs.realpath(path),
    symlink: (target, path) => fs.symlink(target, path),
    open: (path, mode) => fs.open(path, mode),
    stream: (path) => nodeModule("node:fs").createReadStream(path),
    content: (path) => Promise.resolve(nodeModule("node:url").pathToFileURL(path)),
    sync,
    syncTree,
    async isBeingWritten(path) {
      return (await fs.stat(path)).mtimeMs === LEFT ? false : undefined;
    },
    leave: (path) => fs.utimes(path, LEFT, LEFT),
  };
}
