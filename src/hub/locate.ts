// A text that may name a folder or a repository.

import { GradloomError, HubError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";
import type { HubOptions } from "./options.ts";
import type { Repository } from "./repository.ts";
import { downloadSnapshot, type Choose } from "./snapshot.ts";

/**
 * What lies here under that name if anything does, else the repository's in the cache.
 * @throws {HubError} that names the repository and says that there is no such folder either
 */
export async function locate(
  repository: Repository,
  choose: Choose,
  options: HubOptions,
): Promise<string> {
  if (await exists(repository.name)) return repository.name; // whoever opens it says what a file is not
  try {
    return (await downloadSnapshot(repository, choose, options)).folder;
  } catch (error) {
    if (!(error instanceof GradloomError)) throw error;
    const { name } = repository;
    const about = error.message.startsWith(name) ? error.message : `${name}: ${error.message}`;
    const failure = error instanceof HubError ? error.failure : "corrupt";
    const hint = ["missing", "refused", "unreachable"].includes(failure)
      ? ` (There is no folder ${name} here.)`
      : "";
    throw new HubError(failure, about + hint, { cause: error });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch {
    return false;
  }
}
