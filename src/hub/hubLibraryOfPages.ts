// What hubLibraryOfNode.ts gives, for pages: the same calls on fetch, Blob and crypto.subtle. Requests and answers are those that
// @huggingface/hub makes and expects (its lib/commit.ts, create-repo.ts, create-branch.ts, who-am-i.ts). Files are hashed in
// memory, one at a time.

export { datasetInfo, downloadFile, listFiles, modelInfo } from "./hubReadsOfPages.ts";

/** What every call takes. */
interface Ask {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

interface CommitParameters extends Ask {
  readonly repo: { readonly name: string };
  readonly branch: string;
  readonly title: string;
  readonly operations: readonly { readonly path: string; readonly content: URL | Blob }[];
  readonly abortSignal?: AbortSignal;
}

interface FileProgress {
  readonly event: "fileProgress";
  readonly path: string;
  readonly state: "hashing" | "uploading";
  readonly progress: number;
}

interface LfsAnswer {
  readonly objects: readonly {
    readonly oid: string;
    readonly actions?: { readonly upload?: Upload };
    readonly error?: { readonly code: number; readonly message: string };
  }[];
}

interface Upload {
  readonly href: string;
  readonly header?: Readonly<Record<string, string>>;
}

/** A status that the caller of `fetch` let through. */
export class HubApiError extends Error {
  readonly statusCode: number;

  constructor(url: string, statusCode: number) {
    super(`${url} answered with status ${statusCode}`);
    this.statusCode = statusCode;
  }
}

export async function createRepo(
  ask: Ask & { readonly repo: { readonly name: string }; readonly private?: boolean },
): Promise<void> {
  const [organization, name] = ask.repo.name.split("/");
  const visibility =
    ask.private === undefined ? {} : { visibility: ask.private ? "private" : "public" };
  await post(ask, "/api/repos/create", { name, organization, type: "model", ...visibility });
}

export async function createBranch(
  ask: Ask & { readonly repo: { readonly name: string }; readonly branch: string },
): Promise<void> {
  const branch = encodeURIComponent(ask.branch);
  await post(ask, `/api/models/${ask.repo.name}/branch/${branch}`, {});
}

export async function whoAmI(ask: Ask): Promise<{ name: string }> {
  const response = await ask.fetch(`${ask.hubUrl}/api/whoami-v2`);
  return (await response.json()) as { name: string };
}

/** Small files inside the commit, large ones to the storage first. */
export async function* commitIter(
  ask: CommitParameters,
): AsyncGenerator<FileProgress, { commit: { oid: string } }> {
  const { name } = ask.repo;
  const branch = encodeURIComponent(ask.branch);
  const files = new Map(ask.operations.map(({ path, content }) => [path, content as Blob]));
  const asked = [...files].map(async ([path, content]) => ({
    ...{ path, size: content.size, sample: await base64(content.slice(0, 512)) },
  }));
  const modes = (await post(ask, `/api/models/${name}/preupload/${branch}`, {
    files: await Promise.all(asked),
  })) as { files: { path: string; uploadMode: string }[] };
  const large = modes.files.filter(({ uploadMode }) => uploadMode === "lfs");
  const oids = new Map<string, string>();
  for (const { path } of large) {
    ask.abortSignal?.throwIfAborted();
    yield { event: "fileProgress", path, state: "hashing", progress: 0 };
    oids.set(path, await sha256(files.get(path)!));
    yield { event: "fileProgress", path, state: "hashing", progress: 1 };
  }
  if (oids.size > 0) yield* sendLarge(ask, files, oids);
  const lines = [...files].map(async ([path, content]) => {
    const oid = oids.get(path);
    return oid === undefined
      ? { key: "file", value: { path, content: await base64(content), encoding: "base64" } }
      : { key: "lfsFile", value: { path, algo: "sha256", size: content.size, oid } };
  });
  const header = { key: "header", value: { summary: ask.title } };
  const body = [header, ...(await Promise.all(lines))].map((line) => JSON.stringify(line));
  const answer = await ask.fetch(`${ask.hubUrl}/api/models/${name}/commit/${branch}`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: body.join("\n"),
  });
  const { commitOid } = (await answer.json()) as { commitOid: string };
  return { commit: { oid: commitOid } };
}

async function* sendLarge(
  ask: CommitParameters,
  files: ReadonlyMap<string, Blob>,
  oids: ReadonlyMap<string, string>,
): AsyncGenerator<FileProgress, void> {
  const objects = [...oids].map(([path, oid]) => ({ oid, size: files.get(path)!.size }));
  const answer = (await post(ask, `/${ask.repo.name}.git/info/lfs/objects/batch`, {
    ...{ operation: "upload", transfers: ["basic", "multipart"], hash_algo: "sha_256" },
    ...{ ref: { name: ask.branch }, objects },
  })) as LfsAnswer;
  const byOid = new Map(answer.objects.map((object) => [object.oid, object]));
  for (const [path, oid] of oids) {
    const { actions, error } = byOid.get(oid)!;
    if (error) throw new Error(`${path}: ${error.message} (${error.code})`);
    yield { event: "fileProgress", path, state: "uploading", progress: 0 };
    if (actions?.upload) yield* upload(ask, path, oid, files.get(path)!, actions.upload);
    yield { event: "fileProgress", path, state: "uploading", progress: 1 };
  }
}

/** In one piece, or in the parts whose addresses stand in `header` under their numbers. */
async function* upload(
  ask: CommitParameters,
  path: string,
  oid: string,
  content: Blob,
  { href, header = {} }: Upload,
): AsyncGenerator<FileProgress, void> {
  const put = (url: string, body: Blob): Promise<Response> =>
    ask.fetch(url, { method: "PUT", body });
  if (header.chunk_size === undefined) {
    await put(href, content);
    return;
  }
  const size = Number(header.chunk_size);
  const parts: { partNumber: number; etag: string }[] = [];
  const numbers = Object.keys(header).filter((key) => /^\d+$/.test(key));
  for (const [i, key] of numbers.entries()) {
    ask.abortSignal?.throwIfAborted();
    const { headers } = await put(header[key]!, content.slice(i * size, (i + 1) * size));
    parts.push({ partNumber: Number(key), etag: headers.get("etag") ?? "" });
    const progress = (i + 1) / numbers.length;
    yield { event: "fileProgress", path, state: "uploading", progress };
  }
  await ask.fetch(href, {
    method: "POST",
    headers: { accept: LFS, "content-type": LFS },
    body: JSON.stringify({ oid, parts }),
  });
}

const LFS = "application/vnd.git-lfs+json";

async function post({ fetch, hubUrl }: Ask, path: string, value: object): Promise<unknown> {
  const type = path.includes("/info/lfs/") ? LFS : "application/json";
  const response = await fetch(hubUrl + path, {
    method: "POST",
    headers: { accept: type, "content-type": type },
    body: JSON.stringify(value),
  });
  if (!response.ok) throw new HubApiError(response.url, response.status);
  return response.json();
}

async function sha256(content: Blob): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", await content.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function base64(content: Blob): Promise<string> {
  const bytes = new Uint8Array(await content.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
