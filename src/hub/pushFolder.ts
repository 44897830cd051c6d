// A folder to the Hub.

import { files } from "../tensor/files/files.ts";
import { join } from "../tensor/files/paths.ts";
import { ArgumentError } from "../tensor/errors.ts";
import type { PushContent, PushOptions, PushResult } from "./push.ts";

/** What is not pushed: hidden names (but .gitattributes), names that begin with "_", checkpoints, half-written files. */
const LEFT_OUT = /^(\.(?!gitattributes$).*|_.*|checkpoint-\d+|.*\.[0-9a-f]{8}\.tmp)$/;

/**
 * Pushes the files of a folder to a model repository of the Hub, which is made when it does not exist, as one commit. What
 * the repository holds besides stays. Hidden files, names that begin with "_" and checkpoint-N folders are left out.
 * @param repository `owner/name`, or a name alone for a repository of the token's user
 * @throws {ArgumentError} for a folder without files, or an id that cannot be
 * @throws {HubError} when the Hub refuses or cannot be reached; its message says what to do
 */
export async function pushFolderToHub(
  folder: string,
  repository: string,
  options: PushOptions = {},
): Promise<PushResult> {
  const found = await folderFiles(folder);
  const { createRepository, pushFiles } = await import("./push.ts");
  const name = await createRepository(repository, options);
  return pushFiles(name, found, options);
}

/** Files below a folder that a push takes, by path with slashes. @throws {ArgumentError} when there is none */
export async function folderFiles(folder: string): Promise<Map<string, PushContent>> {
  const found = new Map<string, PushContent>();
  const walk = async (below: string): Promise<void> => {
    const entries = await files.entries(join(folder, below));
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (LEFT_OUT.test(entry.name)) continue;
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else if (await isFile(join(folder, path)))
        found.set(path, await files.content(join(folder, path)));
    }
  };
  await walk("").catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new ArgumentError(
      `pushToHub: must be a folder that can be read, got ${folder} (${code})`,
      {
        cause: error,
      },
    );
  });
  if (found.size > 0) return found;
  throw new ArgumentError(`pushToHub: ${folder} must hold a file to push, got none`);
}

/** Links to files count, as the cache has them. @throws {ArgumentError} for links to folders, or to nothing */
async function isFile(path: string): Promise<boolean> {
  const found = await files.stat(path).catch(() => null);
  if (found?.isFile()) return true;
  if (found !== null && !found.isDirectory()) return false; // a pipe, a socket
  throw new ArgumentError(
    `pushToHub: links must lead to files, got ${path}. Copy what it leads to, or delete it.`,
  );
}
