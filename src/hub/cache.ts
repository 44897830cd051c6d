// One repository in the cache that huggingface_hub and this library share:
//   models--org--name/blobs/<etag>            the bytes of a file
//   models--org--name/snapshots/<commit>/...  the files of a commit, as links to blobs
//   models--org--name/refs/<branch or tag>    the commit it named when last asked
//   models--org--name/.no_exist/<commit>/...  files that a commit was asked for and does not have
// (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).

import { files } from "../tensor/files/files.ts";
import { dirname, join, relative } from "../tensor/files/paths.ts";
import { HubError } from "../tensor/errors.ts";
import { isNode } from "../tensor/runtime.ts";
import { isCommitHash, isSafePath, type Repository } from "./repository.ts";

/** Codes with which file systems refuse symbolic links. */
const NO_LINKS = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "ENOSYS",
  "EOPNOTSUPP",
  "EINVAL",
  "UNKNOWN",
]);

export class RepositoryCache {
  readonly folder: string;
  readonly #usesSymlinks: boolean;

  constructor(cacheDir: string, { type, name }: Repository, usesSymlinks: boolean) {
    this.folder = join(cacheDir, `${type}s--${name.replace("/", "--")}`);
    this.#usesSymlinks = usesSymlinks;
  }

  blob(etag: string): string {
    return join(this.folder, "blobs", etag);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit that the revision named when the Hub was last asked; undefined when it never was. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommitHash(revision)) return revision;
    if (!isSafePath(revision)) return undefined;
    try {
      const commit = (await files.readText(join(this.folder, "refs", revision))).trim();
      return isCommitHash(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (isCommitHash(revision) || (await this.commitOf(revision)) === commit) return;
    await this.#writeWhole(join(this.folder, "refs", revision), commit);
  }

  /** Names of the files of a commit that are here, with slashes, sorted. */
  async files(commit: string): Promise<string[]> {
    try {
      return (await filesBelow(this.snapshot(commit))).sort();
    } catch {
      return [];
    }
  }

  /** Whether a file of a commit is here, whole. */
  async has(commit: string, path: string, size: number): Promise<boolean> {
    const place = join(this.snapshot(commit), path);
    return (await isFile(place)) && (await files.stat(place)).size === size;
  }

  /** Whether it is known that a commit does not have this file. */
  knowsAbsent(commit: string, path: string): Promise<boolean> {
    return isFile(join(this.folder, ".no_exist", commit, path));
  }

  async rememberAbsent(commit: string, path: string): Promise<void> {
    if (await this.knowsAbsent(commit, path)) return;
    const marker = join(this.folder, ".no_exist", commit, path);
    await files.makeFolder(dirname(marker));
    await files.writeFile(marker, "");
  }

  /**
   * Lets the blob appear as a file of the commit: as a relative link, or where the file system knows none as the
   * file itself (a new blob moves, as huggingface_hub does, so that the disk holds it once).
   */
  async publish(etag: string, commit: string, path: string, isNew: boolean): Promise<void> {
    const blob = this.blob(etag);
    const place = join(this.snapshot(commit), path);
    await files.makeFolder(dirname(place));
    const temporary = `${place}.${crypto.randomUUID().slice(0, 8)}.incomplete`;
    try {
      if (this.#usesSymlinks && (await trySymlink(relative(dirname(place), blob), temporary))) {
        await files.rename(temporary, place);
      } else if (isNew) {
        await files.rename(blob, place);
      } else {
        await files.copyFile(blob, temporary);
        await files.rename(temporary, place);
      }
    } catch (error) {
      await files.remove(temporary);
      throw error;
    }
  }

  async #writeWhole(path: string, text: string): Promise<void> {
    await files.makeFolder(dirname(path));
    const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.incomplete`;
    await files.writeFile(temporary, text);
    await files.rename(temporary, path);
  }
}

/** Names of the files in a folder and below it, with slashes. A link to a file that was deleted is none. */
export async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await files.entries(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      names.push(...(await filesBelow(path)).map((name) => `${entry.name}/${name}`));
    } else if (await isFile(path)) names.push(entry.name);
  }
  return names;
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isFile();
  } catch {
    return false;
  }
}

async function trySymlink(target: string, path: string): Promise<boolean> {
  try {
    await files.symlink(target, path);
    return true;
  } catch (error) {
    if (NO_LINKS.has((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** An error of the file system as one line. */
export function diskError(folder: string, error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  if (error instanceof HubError || code === undefined || typeof code !== "string") return error;
  const cure =
    code === "ENOSPC"
      ? isNode
        ? "Free some space, or set HF_HUB_CACHE to a folder on another disk."
        : "The browser gives this site no more space: delete models that are no longer needed (deleteCachedRepository)."
      : "Change its permissions, or set HF_HUB_CACHE to a folder that you may write to.";
  return new HubError(
    "disk",
    `${path ?? folder}: the cache must be writable, got ${code}. ${cure}`,
    { cause: error },
  );
}
