// Names of repositories on the Hub.

export interface Repository {
  readonly type: "model" | "dataset";
  /** `organisation/name`; of a few old ones `name`, from which the Hub redirects. */
  readonly name: string;
}

const PART = "[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?";
const REPOSITORY_ID = new RegExp(`^(?:${PART}/)?${PART}$`);
const COMMIT_HASH = /^[0-9a-f]{40}$/;

/** Whether a text can be a repository's id, by the rules of huggingface_hub's validate_repo_id. */
export function isRepositoryId(text: string): boolean {
  return REPOSITORY_ID.test(text) && !/--|\.\.|\.git$/.test(text);
}

export function isCommitHash(revision: string): boolean {
  return COMMIT_HASH.test(revision);
}

/** Whether a path of a repository stays inside the folder it is put into, on any system. */
export function isSafePath(path: string): boolean {
  return (
    path !== "" &&
    !/[\\\0]/.test(path) &&
    path.split("/").every((part) => !["", ".", ".."].includes(part) && !/^[A-Za-z]:/.test(part))
  );
}
