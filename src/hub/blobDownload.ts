// One blob into the cache: continued where an earlier attempt ended, checked against the repository's hash, and
// visible under its name only when it is whole.

import { HubError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";
import type { OpenFile } from "../tensor/files/fileStore.ts";
import { dirname } from "../tensor/files/paths.ts";
import type { HubClient, RemoteFile } from "./client.ts";
import { createHash } from "./hashes.ts";
import { pause } from "./pause.ts";
import { PROGRESS } from "./watch.ts";

/** Attempts in a row that may bring no progress. */
const ATTEMPTS = 5;
/** Milliseconds before the second attempt; doubles for each one after it. */
const FIRST_PAUSE = 250;
/** A partial file that has not grown for so many milliseconds belongs to nobody any more. */
const ABANDONED_AFTER = 2000;
const POLL_INTERVAL = 100;

export interface BlobDownload {
  readonly client: HubClient;
  readonly commit: string;
  readonly file: RemoteFile;
  /** Where the blob belongs. */
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  /** Whether the file is here, as a blob or, where there are no links, in the snapshot. */
  isHere(): Promise<boolean>;
  /** Called with the number of bytes that are here. */
  onBytes(loaded: number): void;
}

/**
 * Two processes never spoil each other's work: whoever finds a partial file that grows waits for it, and if two do
 * write after all (one was asleep), they write the same bytes to the same places.
 * @returns whether the blob was not there before
 * @throws {HubError} when the Hub cannot be reached, or sends other bytes than the repository lists
 */
export async function downloadBlob(download: BlobDownload): Promise<boolean> {
  const { path, file, signal } = download;
  const partial = `${path}.incomplete`;
  await files.makeFolder(dirname(path));
  let isNew = false;
  while (!(await download.isHere())) {
    signal?.throwIfAborted();
    isNew = true;
    const handle = await openPartial(partial, download);
    if (handle === undefined) continue; // someone else's download has ended, one way or the other
    try {
      const begin = (await handle.stat()).size;
      await fill(handle, begin, download);
      await handle.sync();
      await verify(partial, begin > 0, download);
    } catch (error) {
      // So that the next download need not wait to see that it does not grow.
      await files.leave(partial).catch(ignoreMissing);
      if (error instanceof StartAgain) continue;
      throw error;
    } finally {
      await handle.close();
    }
    await files.rename(partial, path).catch(ignoreMissing);
  }
  download.onBytes(file.size);
  return isNew;
}

/** What was continued turned out to be other bytes. */
class StartAgain extends Error {}

/** The partial file to write to; undefined when another process has it and has just ended or left. */
async function openPartial(partial: string, download: BlobDownload): Promise<OpenFile | undefined> {
  try {
    return await files.open(partial, "wx+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  if (!(await isAbandoned(partial, download))) return undefined;
  try {
    const handle = await files.open(partial, "r+");
    if ((await handle.stat()).size <= download.file.size) return handle;
    await handle.close();
    await files.remove(partial);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return undefined; // another was faster
    ignoreMissing(error);
    return undefined;
  }
}

/** Waits while the partial file grows. @returns false when it went away */
async function isAbandoned(
  partial: string,
  { isHere, onBytes, signal }: BlobDownload,
): Promise<boolean> {
  let last = -1;
  let since = performance.now();
  for (;;) {
    if (await isHere()) return false;
    const now = await files.stat(partial).catch(ignoreMissing);
    if (now === undefined) return false;
    const isWritten = await files.isBeingWritten(partial).catch(ignoreMissing);
    if (isWritten === false) return true;
    if (isWritten || now.size !== last) since = performance.now();
    else if (performance.now() - since > ABANDONED_AFTER) return true;
    last = now.size;
    onBytes(now.size);
    await pause(POLL_INTERVAL, signal);
  }
}

/** Fetches the bytes from `begin` on, again and again while that brings some. */
async function fill(handle: OpenFile, begin: number, download: BlobDownload): Promise<void> {
  const { client, commit, file, path, signal, onBytes } = download;
  let done = begin;
  for (let failures = 0; done < file.size;) {
    const before = done;
    try {
      for await (const chunk of client.content(file, commit, done)) {
        if (done + chunk.length > file.size) throw sizeError(download, "more");
        for (let written = 0; written < chunk.length;) {
          const { bytesWritten } = await handle.write(chunk, written, undefined, done);
          written += bytesWritten;
          done += bytesWritten;
        }
        onBytes(done);
      }
      if (done < file.size && done === before) throw sizeError(download, String(done));
    } catch (error) {
      signal?.throwIfAborted();
      const isCut = error instanceof HubError && error.failure === "unreachable";
      if (!isCut) {
        if (error instanceof HubError && error.failure === "corrupt") await refuse(path, error);
        throw error;
      }
      failures = done - before >= PROGRESS ? 0 : failures + 1;
      if (failures >= ATTEMPTS) throw cutError(download, done, error);
      await pause(FIRST_PAUSE * 2 ** failures, signal);
    }
  }
}

/** Nothing of what came can be used. */
async function refuse(path: string, error: HubError): Promise<never> {
  await files.remove(`${path}.incomplete`);
  throw error;
}

/** Reads the file back: what counts is what the disk holds. */
async function verify(
  partial: string,
  wasContinued: boolean,
  download: BlobDownload,
): Promise<void> {
  const { file, client, path } = download;
  const hash = await createHash(file.isLarge ? "sha256" : "sha1");
  if (!file.isLarge) hash.update(new TextEncoder().encode(`blob ${file.size}\0`)); // git's hash of a file
  for await (const chunk of files.stream(partial)) hash.update(chunk);
  const found = hash.digest();
  if (found === file.etag) return;
  await files.remove(partial);
  if (wasContinued) throw new StartAgain();
  await refuse(
    path,
    new HubError(
      "corrupt",
      `${client.repository.name}: ${file.path} must have the hash ${file.etag}, got ${found} from ${client.endpoint}. ` +
        "Something on the way changed it: download again, or use another HF_ENDPOINT.",
    ),
  );
}

function sizeError({ client, file }: BlobDownload, got: string): HubError {
  return new HubError(
    "corrupt",
    `${client.repository.name}: ${file.path} must have ${file.size} bytes as the repository says, got ${got} from ${client.endpoint}. ` +
      "Something on the way changed it: download again, or use another HF_ENDPOINT.",
  );
}

function cutError({ client, file }: BlobDownload, done: number, cause: HubError): HubError {
  return new HubError(
    "unreachable",
    `${client.repository.name}: ${file.path} must arrive whole, got ${done} of ${file.size} bytes, then ${ATTEMPTS} attempts that brought fewer than ${PROGRESS} more (${cause.message}) ` +
      "Run this again to go on from there.",
    { cause },
  );
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return undefined;
}
