// The wanted files of a repository at one commit, as a folder: from the cache where it has them, else from the Hub.

import { files } from "../tensor/files/files.ts";
import { join } from "../tensor/files/paths.ts";
import { HubError } from "../tensor/errors.ts";
import { parseJson } from "../tensor/json.ts";
import { warn } from "../tensor/warnings.ts";
import { downloadBlob } from "./blobDownload.ts";
import { diskError, isFile, RepositoryCache } from "./cache.ts";
import { HubClient, type RemoteFile } from "./client.ts";
import { hubEnvironment, type HubEnvironment } from "./environment.ts";
import type { HubOptions } from "./options.ts";
import { isCommitHash, isSafePath, type Repository } from "./repository.ts";

/** The files of a commit while it is decided which are wanted. */
export interface RepositoryFiles {
  /** Names with slashes. */
  readonly names: readonly string[];
  /** The object in a JSON file, which is downloaded for that. */
  json(name: string): Promise<Record<string, unknown>>;
  /** The text of a file, which is downloaded for that. */
  text(name: string): Promise<string>;
}

export interface WantedFiles {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  /**
   * Whether the names of all files decide which are wanted, as with patterns: those that the cache happens to hold do
   * not tell whether it holds all.
   */
  readonly dependsOnAll?: boolean;
}

/** Decides which files are wanted. Names that do not exist may be among them. */
export type Choose = (files: RepositoryFiles) => WantedFiles | Promise<WantedFiles>;

export interface Snapshot {
  readonly folder: string;
  readonly commit: string;
}

/**
 * A revision that is a commit hash needs no network when the cache has its files. Any other is looked up, so that it is
 * never stale; when the Hub cannot be reached or refuses, the cache answers and a warning says so.
 * @throws {HubError} naming the repository, the file and what to do
 */
export async function downloadSnapshot(
  repository: Repository,
  choose: Choose,
  options: HubOptions = {},
): Promise<Snapshot> {
  const environment = environmentOf(options);
  const { revision = "main", cacheDir = environment.cacheDir } = options;
  if (!isSafePath(revision)) {
    throw new HubError(
      "missing",
      `${repository.name}: revision must be a branch, tag or commit hash, got ${JSON.stringify(revision)}`,
    );
  }
  const cache = new RepositoryCache(cacheDir, repository, environment.usesSymlinks);
  if (options.localFilesOnly ?? environment.isOffline) {
    return cachedSnapshot(cache, repository, revision, choose, "the network is not to be used");
  }
  if (isCommitHash(revision) && (await isComplete(cache, revision, choose))) {
    return { folder: cache.snapshot(revision), commit: revision };
  }
  try {
    const client = await HubClient.open(repository, revision, environment, options);
    const commit = await client.commit();
    const remote = new RemoteSnapshot(cache, client, commit, options);
    return await remote.fetch(revision, choose);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof HubError) || !["unreachable", "refused"].includes(error.failure)) {
      throw diskError(cache.folder, error);
    }
    const cached = await cachedSnapshot(cache, repository, revision, choose, "").catch(() => null);
    if (cached === null) throw error;
    warn(`${error.message} Using what the cache has: ${cached.folder}`);
    return cached;
  }
}

/** What the variables say, unless the caller does. */
function environmentOf({ endpoint }: HubOptions): HubEnvironment {
  const environment = hubEnvironment();
  return endpoint === undefined
    ? environment
    : { ...environment, endpoint: endpoint.replace(/\/+$/, "") };
}

/** Whether the cache has every wanted file of a commit, or knows that the commit does not. */
async function isComplete(
  cache: RepositoryCache,
  commit: string,
  choose: Choose,
): Promise<boolean> {
  const names = await cache.files(commit);
  if (names.length === 0) return false;
  const wanted = await attempt(() => choose(localFiles(cache, commit, names)));
  if (wanted === undefined || wanted.dependsOnAll) return false;
  const { required, optional = [] } = wanted;
  if (!required.every((name) => names.includes(name))) return false;
  for (const name of optional) {
    if (!names.includes(name) && !(await cache.knowsAbsent(commit, name))) return false;
  }
  return true;
}

/** Says of a choice that fails for what is missing that only the cache was looked at, which need not hold all files. */
async function chooseCached(
  cache: RepositoryCache,
  commit: string,
  { names, choose, cure }: { names: readonly string[]; choose: Choose; cure: string },
): Promise<WantedFiles> {
  try {
    return await choose(localFiles(cache, commit, names));
  } catch (error) {
    if (!(error instanceof HubError) || error.failure !== "missing") throw error;
    const where = `Only the cache ${cache.snapshot(commit)} was looked at. ${cure}`;
    throw new HubError("missing", `${error.message} ${where}`, { cause: error });
  }
}

/** Undefined where choosing fails: with all names, which the Hub has, it may not. */
async function attempt(
  action: () => WantedFiles | Promise<WantedFiles>,
): Promise<WantedFiles | undefined> {
  try {
    return await action();
  } catch {
    return undefined;
  }
}

async function cachedSnapshot(
  cache: RepositoryCache,
  repository: Repository,
  revision: string,
  choose: Choose,
  reason: string,
): Promise<Snapshot> {
  const commit = await cache.commitOf(revision);
  const names = commit === undefined ? [] : await cache.files(commit);
  const cure = "Unset HF_HUB_OFFLINE (or leave out localFilesOnly) to download it.";
  if (commit === undefined || names.length === 0) {
    throw new HubError(
      "missing",
      `${repository.name}: revision ${revision} must be in the cache ${cache.folder} when ${reason}, got nothing there. ${cure}`,
    );
  }
  const { required } = await chooseCached(cache, commit, { names, choose, cure });
  const missing = required.find((name) => !names.includes(name));
  if (missing === undefined) return { folder: cache.snapshot(commit), commit };
  throw new HubError(
    "missing",
    `${repository.name}: ${missing} must be in the cache ${cache.snapshot(commit)} when ${reason}, got ${names.join(", ")}. ${cure}`,
  );
}

function localFiles(
  cache: RepositoryCache,
  commit: string,
  names: readonly string[],
): RepositoryFiles {
  const place = (name: string): string => join(cache.snapshot(commit), name);
  return {
    names,
    json: (name) => readJson(place(name)),
    text: (name) => files.readText(place(name)),
  };
}

class RemoteSnapshot {
  readonly #cache: RepositoryCache;
  readonly #client: HubClient;
  readonly #commit: string;
  readonly #options: HubOptions;

  constructor(cache: RepositoryCache, client: HubClient, commit: string, options: HubOptions) {
    this.#cache = cache;
    this.#client = client;
    this.#commit = commit;
    this.#options = options;
  }

  async fetch(revision: string, choose: Choose): Promise<Snapshot> {
    const listed = await this.#client.files(this.#commit);
    const byName = new Map(listed.map((file) => [file.path, file]));
    const { required, optional = [] } = await choose({
      names: [...byName.keys()],
      json: async (name) => readJson(await this.#fetched(byName, name)),
      text: async (name) => files.readText(await this.#fetched(byName, name)),
    });
    const wanted = new Set(required.map((name) => this.#find(byName, name)));
    for (const name of optional) {
      const file = byName.get(name);
      if (file) wanted.add(file);
      else await this.#cache.rememberAbsent(this.#commit, name);
    }
    await this.#download([...wanted]);
    // Last, so that the revision names a commit that readers without network find whole.
    await this.#cache.rememberCommit(revision, this.#commit);
    return { folder: this.#cache.snapshot(this.#commit), commit: this.#commit };
  }

  /** Path of a file that is needed to decide which are wanted. */
  async #fetched(files: ReadonlyMap<string, RemoteFile>, name: string): Promise<string> {
    await this.#download([this.#find(files, name)]);
    return join(this.#cache.snapshot(this.#commit), name);
  }

  #find(files: ReadonlyMap<string, RemoteFile>, name: string): RemoteFile {
    const file = files.get(name);
    if (file) return file;
    const { repository, endpoint } = this.#client;
    const shown = [...files.keys()].slice(0, 12).join(", ");
    throw new HubError(
      "missing",
      `${repository.name}: must hold ${name} at commit ${this.#commit.slice(0, 12)}, got ${files.size > 12 ? `${shown} and ${files.size - 12} more` : shown || "no file"} on ${endpoint}`,
    );
  }

  async #download(files: readonly RemoteFile[]): Promise<void> {
    const missing: RemoteFile[] = [];
    for (const file of files) {
      if (!(await this.#cache.has(this.#commit, file.path, file.size))) missing.push(file);
    }
    const total = missing.reduce((sum, { size }) => sum + size, 0);
    const { onProgress, signal } = this.#options;
    let before = 0;
    for (const file of missing) {
      const path = this.#cache.blob(file.etag);
      const isPublished = () => this.#cache.has(this.#commit, file.path, file.size);
      const isNew = await downloadBlob({
        client: this.#client,
        commit: this.#commit,
        file,
        path,
        signal,
        isHere: async () => (await isFile(path)) || (await isPublished()),
        onBytes: (loaded) => onProgress?.({ file: file.path, loaded: before + loaded, total }),
      });
      if (!(await isPublished())) {
        await this.#cache.publish(file.etag, this.#commit, file.path, isNew);
      }
      before += file.size;
    }
  }
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    const value = parseJson(await files.readText(path));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new HubError(
    "corrupt",
    `${path}: must hold a JSON object. Delete the file to get it anew.`,
  );
}
