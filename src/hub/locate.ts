// A text that may name a folder or a repository.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError, GradloomError, HubError } from "../tensor/errors.ts";
import type { HubOptions } from "./options.ts";
import type { Repository } from "./repository.ts";
import { downloadSnapshot, type Choose } from "./snapshot.ts";

/**
 * The folder of that name if there is one, else the repository's in the cache.
 * @throws {HubError} that names the repository and says that there is no such folder either, or that the folder of that
 *   name, which hides the repository, is of another kind
 */
export async function locate(
  repository: Repository,
  choose: Choose,
  options: HubOptions,
): Promise<string> {
  if (await isFolder(repository.name)) {
    await checkKind(repository, choose);
    return repository.name;
  }
  try {
    return (await downloadSnapshot(repository, choose, options)).folder;
  } catch (error) {
    if (!(error instanceof GradloomError) || error instanceof DatasetError) throw error;
    const { name } = repository;
    const about = error.message.startsWith(name) ? error.message : `${name}: ${error.message}`;
    const failure = error instanceof HubError ? error.failure : "corrupt";
    const hint = ["missing", "refused", "unreachable"].includes(failure)
      ? ` (There is no folder ${name} here.)`
      : "";
    throw new HubError(failure, about + hint, { cause: error });
  }
}

/** @throws {HubError} when a folder has none of the files of a model; what else is amiss its readers say */
async function checkKind({ type, name }: Repository, choose: Choose): Promise<void> {
  if (type === "dataset") return; // its reader knows what its files can be called
  const names = await readdir(name, { recursive: true });
  const text = (file: string): Promise<string> => readFile(join(name, file), "utf8");
  const json = async (file: string) => JSON.parse(await text(file)) as Record<string, unknown>;
  let required: readonly string[];
  try {
    ({ required } = await choose({ names, json, text }));
  } catch {
    return;
  }
  if (required.length === 0 || required.some((file) => names.includes(file))) return;
  throw new HubError(
    "missing",
    `${name}: the local folder of that name, which was taken in place of the Hub's repository, must hold ${required.join(" and ")}, got ` +
      `${names.slice(0, 8).join(", ") || "no file"}. Rename it or run from another folder to load from the Hub, or name another folder.`,
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
