// What the cache of the Hub holds, and giving it back (huggingface_hub's scan_cache_dir and delete_revisions).

import { ArgumentError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";
import { basename, join } from "../tensor/files/paths.ts";
import { filesBelow } from "./cache.ts";
import { hubEnvironment } from "./environment.ts";
import type { HubOptions } from "./options.ts";
import { isCommitHash, isRepositoryId } from "./repository.ts";

/** A commit of which files are here. */
export interface CachedRevision {
  readonly commit: string;
  /** Branches and tags that named it when they were last asked for. */
  readonly refs: readonly string[];
  /** Names with slashes, sorted. */
  readonly files: readonly string[];
  /** In bytes. Files that commits share are counted for each. */
  readonly size: number;
}

/** A repository of which the cache holds something. */
export interface CachedRepository {
  readonly type: "model" | "dataset";
  /** As in `fromPretrained`. */
  readonly name: string;
  /** Folder in the cache. */
  readonly path: string;
  /** In bytes: what `deleteCachedRepository` gives back. */
  readonly size: number;
  /** Bytes of downloads that are not whole; the next download goes on with them. Part of `size`. */
  readonly incompleteSize: number;
  readonly revisions: readonly CachedRevision[];
}

/** Which cache, and of what kind a repository is. */
export interface CacheChoice extends Pick<HubOptions, "cacheDir"> {
  /** Default "model". */
  readonly type?: "model" | "dataset" | undefined;
}

const FOLDER = /^(model|dataset)s--(.+)$/;

/**
 * The repositories of the cache, by name; also those whose download is not finished. In pages the cache lies in the private
 * file system of their origin.
 * @returns [] where there is no cache
 */
export async function listCachedRepositories(
  options: Pick<HubOptions, "cacheDir"> = {},
): Promise<CachedRepository[]> {
  const cacheDir = options.cacheDir ?? hubEnvironment().cacheDir;
  const found: CachedRepository[] = [];
  for (const folder of await files.readdir(cacheDir).catch(missingIsEmpty)) {
    const [, type, name] = FOLDER.exec(folder) ?? [];
    if (type === undefined || name === undefined) continue;
    found.push(
      await describe(join(cacheDir, folder), type as "model" | "dataset", name.replace("--", "/")),
    );
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Deletes what the cache holds of a repository, in every revision.
 * @returns how many bytes that gave back; 0 when there was nothing
 * @throws {ArgumentError} for a name that is none of a repository
 */
export async function deleteCachedRepository(
  name: string,
  { cacheDir = hubEnvironment().cacheDir, type = "model" }: CacheChoice = {},
): Promise<number> {
  if (!isRepositoryId(name)) {
    throw new ArgumentError(
      `deleteCachedRepository: name must be a Hub id such as google/flan-t5-small, got ${JSON.stringify(name)}`,
    );
  }
  const path = join(cacheDir, `${type}s--${name.replace("/", "--")}`);
  const size = await sizeOf(path, () => true);
  await files.remove(path);
  return size;
}

async function describe(
  path: string,
  type: "model" | "dataset",
  name: string,
): Promise<CachedRepository> {
  const refs = new Map<string, string[]>();
  for (const ref of await filesBelow(join(path, "refs")).catch(missingIsEmpty)) {
    const commit = (await files.readText(join(path, "refs", ref))).trim();
    refs.set(commit, [...(refs.get(commit) ?? []), ref]);
  }
  const revisions: CachedRevision[] = [];
  for (const commit of await files.readdir(join(path, "snapshots")).catch(missingIsEmpty)) {
    if (!isCommitHash(commit)) continue;
    const names = (await filesBelow(join(path, "snapshots", commit))).sort();
    let size = 0;
    for (const file of names)
      size += (await files.stat(join(path, "snapshots", commit, file))).size;
    revisions.push({ commit, refs: refs.get(commit) ?? [], files: names, size });
  }
  const incompleteSize = await sizeOf(join(path, "blobs"), (file) => file.endsWith(".incomplete"));
  return {
    ...{ type, name, path, incompleteSize, revisions },
    size: await sizeOf(path, () => true),
  };
}

/** Of files, not of what links lead to. */
async function sizeOf(folder: string, isCounted: (name: string) => boolean): Promise<number> {
  let size = 0;
  for (const entry of await files.entries(folder).catch(missingIsEmpty)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) size += await sizeOf(path, isCounted);
    else if (entry.isFile() && isCounted(basename(path))) size += (await files.stat(path)).size;
  }
  return size;
}

function missingIsEmpty(error: unknown): [] {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
  throw error;
}
