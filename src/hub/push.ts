// Files to a model repository of the Hub in one commit, through @huggingface/hub: small ones inside the commit, large ones
// to the storage that the Hub names, piece by piece. In Node and in pages.

import { ArgumentError, HubError } from "../tensor/errors.ts";
import { findToken, hubEnvironment } from "./environment.ts";
import { hubLibrary } from "./hubLibrary.ts";
import { pushStatusError, pushUnreachableError, type PushTarget } from "./pushErrors.ts";
import { isRepositoryId, isSafePath } from "./repository.ts";

/** How files are pushed to the Hub. */
export interface PushOptions {
  /** Access token that may write; default HF_TOKEN, then the file that `hf auth login` writes. A page must give one. */
  readonly token?: string | undefined;
  /** Whether a repository that is made is private; default as the owner's settings say. */
  readonly private?: boolean | undefined;
  /** Branch, which is made when it does not exist. Default "main". */
  readonly revision?: string | undefined;
  /** Default "Upload model". */
  readonly commitMessage?: string | undefined;
  /** Folder of the repository that the files go to. Default its root. */
  readonly pathInRepo?: string | undefined;
  /** Address of the Hub; default HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string | undefined;
  /** Called while files are hashed and sent. */
  readonly onProgress?: ((progress: PushProgress) => void) | undefined;
  /** Ends a push; large files that have arrived are not sent again by the next one. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a file is. */
export interface PushProgress {
  readonly file: string;
  readonly state: "hashing" | "uploading";
  /** 0 to 1. */
  readonly progress: number;
}

/** What a push made. */
export interface PushResult {
  /** Id of the repository, with its owner. */
  readonly repoId: string;
  /** Page of the repository. */
  readonly url: string;
  /** Hash of the commit. */
  readonly commit: string;
}

/** A file of the disk (a file: URL), or its bytes. */
export type PushContent = URL | Blob;

/** Tries of a request that may be made again, and milliseconds before the second; each further wait is twice as long. */
const TRIES = 5;
const FIRST_WAIT = 250;

/** The right to write to the Hub, and the way there. */
export interface HubAccess {
  readonly endpoint: string;
  readonly token: string;
}

/**
 * Makes a model repository unless it is there.
 * @param id `owner/name`, or a name alone for a repository of the token's user
 * @returns the whole id
 * @throws {ArgumentError} for an id or options that cannot be
 * @throws {HubError} when the Hub refuses or cannot be reached
 */
export async function createRepository(id: string, options: PushOptions = {}): Promise<string> {
  if (!isRepositoryId(id)) {
    throw new ArgumentError(
      `pushToHub: the repository must be owner/name in letters, digits, "-", "_" and ".", got ${JSON.stringify(id)}`,
    );
  }
  const access = await accessOf(options);
  const hub = await hubLibrary();
  const name = id.includes("/") ? id : `${await userName(access, id, options)}/${id}`;
  const target = { endpoint: access.endpoint, name, branch: "main" };
  // 409: it is there. 403: perhaps so, and the token may write to it but make none.
  const ask = { hubUrl: access.endpoint, fetch: hubFetch(access, target, options, [403, 409]) };
  const { private: isPrivate } = options;
  const visibility = isPrivate === undefined ? {} : { private: isPrivate };
  try {
    // The library wants a token, and takes only those of huggingface.co; ours puts in the real one.
    await hub.createRepo({
      ...ask,
      ...visibility,
      repo: { type: "model", name },
      accessToken: "hf_",
    });
  } catch (error) {
    if (!(error instanceof hub.HubApiError)) throw error;
    if (error.statusCode !== 409 && !(await exists(access, target, options))) {
      throw pushStatusError(target, error.statusCode, "");
    }
  }
  return name;
}

/**
 * Commits files to a repository that exists.
 * @param files by path in the repository, with slashes
 * @throws {ArgumentError} without files or a token, and for a path that leads out
 * @throws {HubError} when the Hub refuses or cannot be reached
 */
export async function pushFiles(
  name: string,
  files: ReadonlyMap<string, PushContent>,
  options: PushOptions = {},
): Promise<PushResult> {
  const { revision: branch = "main", pathInRepo = "", signal } = options;
  const prefix = pathInRepo === "" ? "" : `${pathInRepo.replace(/\/+$/, "")}/`;
  for (const path of files.keys()) {
    if (isSafePath(prefix + path)) continue;
    throw new ArgumentError(`pushToHub: paths must stay in the repository, got "${prefix}${path}"`);
  }
  if (files.size === 0) throw new ArgumentError("pushToHub: needs at least one file, got none");
  const access = await accessOf(options);
  const target = { endpoint: access.endpoint, name, branch };
  const hub = await hubLibrary();
  const ask = { hubUrl: access.endpoint, fetch: hubFetch(access, target, options) };
  const repo = { type: "model", name } as const;
  if (branch !== "main" && !branch.startsWith("refs/pr/")) {
    const tolerant = { ...ask, fetch: hubFetch(access, target, options, [409]) };
    await hub.createBranch({ ...tolerant, repo, branch }).catch((error: unknown) => {
      if (!(error instanceof hub.HubApiError) || error.statusCode !== 409) throw error; // it is there
    });
  }
  const events = hub.commitIter({
    ...{ ...ask, repo, branch, title: options.commitMessage ?? "Upload model" },
    operations: [...files].map(([path, content]) => ({
      ...{ operation: "addOrUpdate", path: prefix + path, content },
    })),
    ...(signal === undefined ? {} : { abortSignal: signal }),
    useXet: false, // plain HTTP, of which a piece that got lost can be sent again
  });
  const oid = await committed(events, target, options);
  return { repoId: name, url: `${access.endpoint}/${name}`, commit: oid };
}

async function committed(
  events: AsyncGenerator<object, { commit: { oid: string } } | undefined>,
  target: PushTarget,
  { onProgress, signal }: PushOptions,
): Promise<string> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value!.commit.oid;
      const { event, path, state, progress } = value as Record<string, unknown>;
      if (event !== "fileProgress" || (state !== "hashing" && state !== "uploading")) continue;
      onProgress?.({ file: path as string, state, progress: progress as number });
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HubError) throw error;
    throw new HubError(
      "corrupt",
      `${target.name}: ${target.endpoint} must answer as the Hub does, got ${String(error)}. Is HF_ENDPOINT a Hub?`,
      { cause: error },
    );
  }
}

async function accessOf({ token, endpoint }: PushOptions): Promise<HubAccess> {
  const environment = hubEnvironment();
  if (environment.isOffline) {
    throw new HubError(
      "unreachable",
      "pushToHub: needs the Hub, got HF_HUB_OFFLINE. Unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.",
    );
  }
  const place = (endpoint ?? environment.endpoint).replace(/\/+$/, "");
  const found = token ?? (await findToken(environment));
  if (found !== undefined && found !== "") return { endpoint: place, token: found };
  throw new HubError(
    "refused",
    `pushToHub: needs a token that may write, got none. Make one at ${place}/settings/tokens, and set HF_TOKEN or pass it as token.`,
  );
}

async function userName(access: HubAccess, id: string, options: PushOptions): Promise<string> {
  const { whoAmI } = await hubLibrary();
  const fetch = hubFetch(access, { endpoint: access.endpoint, name: id, branch: "main" }, options);
  const { name } = await whoAmI({ hubUrl: access.endpoint, fetch, accessToken: "hf_" });
  return name;
}

async function exists(access: HubAccess, target: PushTarget, options: PushOptions) {
  const ask = hubFetch(access, target, options, [401, 403, 404]);
  const response = await ask(`${access.endpoint}/api/models/${target.name}`);
  await response.body?.cancel();
  return response.ok;
}

/**
 * fetch with the token for the endpoint's own addresses and no others, with our errors, and with further tries of what may
 * be sent twice: everything but the commit itself and the making of things.
 * @param allowed statuses that the caller looks at
 */
function hubFetch(
  { endpoint, token }: HubAccess,
  target: PushTarget,
  { signal }: PushOptions,
  allowed: readonly number[] = [],
): typeof fetch {
  return async (url, init) => {
    const address = new URL(url instanceof Request ? url.url : url);
    const headers = new Headers(init?.headers);
    headers.delete("authorization");
    if (address.origin === new URL(endpoint).origin)
      headers.set("authorization", `Bearer ${token}`);
    const method = init?.method ?? "GET";
    const mayRepeat =
      method === "GET" ||
      method === "PUT" ||
      /\/(preupload\/[^/]+|objects\/batch)$/.test(address.pathname);
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const isLast = !mayRepeat || attempt === TRIES;
      const answer = await send(address, { ...init, headers }, target, signal, isLast);
      if (answer !== null) {
        if (answer.ok || allowed.includes(answer.status)) return answer;
        const isPassing = answer.status === 429 || answer.status >= 500;
        if (isLast || !isPassing) throw await refusal(answer, target);
        await answer.body?.cancel();
      }
      await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT * 2 ** (attempt - 1)));
    }
  };
}

/** @returns null when there was no answer, and there will be another try */
async function send(
  address: URL,
  init: RequestInit,
  target: PushTarget,
  signal: AbortSignal | undefined,
  isLast: boolean,
): Promise<Response | null> {
  try {
    const signals = [signal, init.signal].filter((each) => each !== undefined && each !== null);
    return await fetch(address, { ...init, signal: AbortSignal.any(signals) });
  } catch (error) {
    signal?.throwIfAborted();
    if (init.signal?.aborted) throw error; // another file failed
    if (isLast) throw pushUnreachableError(target, error);
    return null;
  }
}

/** The Hub says why in a header or as JSON; what a proxy says as HTML is left out. */
async function refusal(response: Response, target: PushTarget): Promise<HubError> {
  const text = await response.text().catch(() => "");
  let reason = response.headers.get("x-error-message") ?? "";
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (reason === "" && typeof error === "string") reason = error;
  } catch {
    // no JSON
  }
  return pushStatusError(target, response.status, reason.slice(0, 200));
}
