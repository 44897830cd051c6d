// Questions to the Hub, through @huggingface/hub: the commit of a revision, the files of a commit, the bytes of a file.

import { HubError } from "../tensor/errors.ts";
import { Answers } from "./apiAnswer.ts";
import { findToken, type HubEnvironment } from "./environment.ts";
import { hubLibrary } from "./hubLibrary.ts";
import type { HubOptions } from "./options.ts";
import { isCommitHash, isSafePath, type Repository } from "./repository.ts";
import { statusError, unreachableError, type Request } from "./statusError.ts";
import { Watch } from "./watch.ts";

export interface RemoteFile {
  /** In the repository, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Name of its blob in the cache: the SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string;
  readonly isLarge: boolean;
}

/** Hashes of git, or of SHA-256. */
const BLOB_NAME = /^[0-9a-f]{40,64}$/;

export class HubClient {
  readonly endpoint: string;
  readonly repository: Repository;
  readonly #revision: string;
  readonly #token: string | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #answerTimeout: number;
  readonly #downloadTimeout: number;

  private constructor(
    repository: Repository,
    revision: string,
    token: string | undefined,
    environment: HubEnvironment,
    signal: AbortSignal | undefined,
  ) {
    this.endpoint = environment.endpoint;
    this.repository = repository;
    this.#revision = revision;
    this.#token = token;
    this.#signal = signal;
    this.#answerTimeout = 1000 * environment.answerTimeout;
    this.#downloadTimeout = 1000 * environment.downloadTimeout;
  }

  static async open(
    repository: Repository,
    revision: string,
    environment: HubEnvironment,
    { token, signal }: Pick<HubOptions, "token" | "signal">,
  ): Promise<HubClient> {
    const sent = token === undefined ? await findToken(environment) : token || undefined;
    return new HubClient(repository, revision, sent, environment, signal);
  }

  /** The commit that the revision names now. */
  async commit(): Promise<string> {
    if (isCommitHash(this.#revision)) return this.#revision;
    const { datasetInfo, modelInfo } = await hubLibrary();
    const { name, type } = this.repository;
    const { answers, ...ask } = this.#ask(false);
    const question = { ...ask, name, revision: this.#revision };
    const { sha } = (await answers.take<object>(() =>
      type === "model"
        ? modelInfo({ ...question, additionalFields: ["sha"] })
        : datasetInfo({ ...question, additionalFields: ["sha"] }),
    )) as { readonly sha?: unknown };
    if (typeof sha === "string" && isCommitHash(sha)) return sha;
    throw answers.wrong(`the commit of ${this.#revision}`, sha);
  }

  /** Every file of a commit. */
  async files(commit: string): Promise<RemoteFile[]> {
    const { listFiles } = await hubLibrary();
    const { answers, ...ask } = this.#ask(true);
    const question = { ...ask, repo: this.repository, revision: commit, recursive: true };
    return answers.take(async () => {
      const files: RemoteFile[] = [];
      for await (const entry of listFiles(question)) {
        const file = remoteFile(entry as unknown as Entry, answers);
        if (file !== undefined) files.push(file);
      }
      return files;
    });
  }

  /** The bytes of a file from `begin` on; ends with an error when none come for too long. */
  async *content(
    { path, size, etag }: RemoteFile,
    commit: string,
    begin: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { downloadFile } = await hubLibrary();
    const watch = new Watch(this.#downloadTimeout, this.#signal);
    const request = this.#request(path);
    let failure: unknown;
    let skip = 0;
    const fetchPart: typeof fetch = async (url, init) => {
      try {
        const response = await this.#fetch(url, init, request, watch.signal);
        // The Blob would wait for the end of a body that is not there.
        if (response.body === null) throw statusError(request, response);
        // A server that does not know ranges sends everything.
        if (begin > 0 && response.status === 200) skip = begin;
        return response;
      } catch (error) {
        failure = error; // the Blob's stream would tell its message only
        throw error;
      }
    };
    try {
      const { name, type } = this.repository;
      const place = path.split("/").map(encodeURIComponent).join("/");
      const url = `${this.endpoint}/${type === "dataset" ? "datasets/" : ""}${name}/resolve/${commit}/${place}`;
      const blob = await downloadFile({
        repo: this.repository,
        path,
        revision: commit,
        xet: false, // plain HTTP can be continued at any byte
        downloadInfo: { url, size, etag },
        fetch: fetchPart,
      });
      for await (const chunk of chunks(blob!.slice(begin), watch.signal)) {
        watch.touch(chunk.length);
        if (skip < chunk.length) yield chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.length);
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (failure instanceof HubError) throw failure;
      throw unreachableError(request, watch.signal.aborted ? watch.signal.reason : error);
    } finally {
      watch.stop();
    }
  }

  /** What every call of the library takes: the endpoint, and our fetch. */
  #ask(isList: boolean) {
    const request = this.#request();
    const answers = new Answers(request, isList, this.#answerTimeout);
    const ask: typeof fetch = async (url, init) => {
      const late = AbortSignal.timeout(this.#answerTimeout);
      const signal = this.#signal ? AbortSignal.any([late, this.#signal]) : late;
      const address = addressOf(url);
      answers.checkPage(address);
      try {
        return await answers.read(await this.#fetch(address, init, request, signal));
      } catch (error) {
        this.#signal?.throwIfAborted();
        throw error;
      }
    };
    return { hubUrl: this.endpoint, fetch: ask, answers };
  }

  #request(file?: string): Request {
    return {
      endpoint: this.endpoint,
      repository: this.repository,
      revision: this.#revision,
      hasToken: this.#token !== undefined,
      ...(file === undefined ? {} : { file }),
    };
  }

  /**
   * fetch with the token, for the endpoint's own addresses (a redirect elsewhere drops the header), and with our errors.
   * The library itself takes only tokens that begin with hf_, which those of mirrors do not.
   */
  async #fetch(
    url: string | URL | globalThis.Request,
    init: RequestInit | undefined,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = new Headers(init?.headers);
    const address = addressOf(url);
    if (this.#token !== undefined && address.origin === new URL(this.endpoint).origin) {
      headers.set("authorization", `Bearer ${this.#token}`);
    }
    let response: Response;
    try {
      response = await fetch(address, { ...init, headers, signal });
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw unreachableError(request, error);
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw statusError(request, response);
  }
}

/** An entry of a list of files, of which nothing is believed. */
type Entry = Readonly<Record<string, unknown>>;

/** Undefined for what is no file that could be kept: a folder, a name that leads out of the cache, none for its blob. */
function remoteFile({ type, path, oid, size, lfs }: Entry, answers: Answers) {
  if (type !== "file") return undefined;
  if (typeof path !== "string") throw answers.wrong("the path of a file", path);
  const large = typeof lfs === "object" && lfs !== null ? (lfs as Entry) : undefined;
  const bytes = large?.["size"] ?? size;
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0)
    throw answers.wrong("the size of a file", bytes);
  const etag = large?.["oid"] ?? oid;
  if (!isSafePath(path) || typeof etag !== "string" || !BLOB_NAME.test(etag)) return undefined;
  return { path, size: bytes, etag, isLarge: large !== undefined };
}

function addressOf(url: string | URL | globalThis.Request): URL {
  return new URL(url instanceof globalThis.Request ? url.url : url);
}

/** The DOM's types know no `for await` over a stream. Ends with the signal, also where the stream does not. */
async function* chunks(
  blob: Blob,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = blob.stream().getReader();
  const end = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", end);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    await reader.cancel().catch(() => undefined); // it is closed already when it failed
  }
}
