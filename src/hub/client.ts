// Questions to the Hub, through @huggingface/hub: the commit of a revision, the files of a commit, the bytes of a file.

import { HubError } from "../tensor/errors.ts";
import { findToken, type HubEnvironment } from "./environment.ts";
import type { HubOptions } from "./options.ts";
import { isCommitHash, isSafePath, type Repository } from "./repository.ts";
import { statusError, unreachableError, type Request } from "./statusError.ts";

export interface RemoteFile {
  /** In the repository, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Name of its blob in the cache: the SHA-256 of a large file, git's SHA-1 of a small one. */
  readonly etag: string;
  readonly isLarge: boolean;
}

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
    const { datasetInfo, modelInfo } = await import("@huggingface/hub");
    const { name, type } = this.repository;
    const question = { ...this.#ask(), name, revision: this.#revision };
    const { sha } =
      type === "model"
        ? await modelInfo({ ...question, additionalFields: ["sha"] })
        : await datasetInfo({ ...question, additionalFields: ["sha"] });
    if (isCommitHash(sha)) return sha;
    throw new HubError(
      "corrupt",
      `${name}: ${this.endpoint} must name the commit of ${this.#revision}, got ${JSON.stringify(sha)}. Is HF_ENDPOINT a Hub?`,
    );
  }

  /** Every file of a commit. */
  async files(commit: string): Promise<RemoteFile[]> {
    const { listFiles } = await import("@huggingface/hub");
    const question = { ...this.#ask(), repo: this.repository, revision: commit, recursive: true };
    const files: RemoteFile[] = [];
    for await (const { type, path, size, oid, lfs } of listFiles(question)) {
      const etag = lfs?.oid ?? oid;
      // A name that leads out of the cache's folder, or none for its blob: not a file that could be kept.
      if (type !== "file" || !isSafePath(path) || !/^[0-9a-f]{40,64}$/.test(etag ?? "")) continue;
      files.push({ path, size: lfs?.size ?? size, etag: etag!, isLarge: lfs !== undefined });
    }
    return files;
  }

  /** The bytes of a file from `begin` on; ends with an error when none come for too long. */
  async *content(
    { path, size, etag }: RemoteFile,
    commit: string,
    begin: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { downloadFile } = await import("@huggingface/hub");
    const watch = new Watch(this.#downloadTimeout, this.#signal);
    const request = this.#request(path);
    let failure: unknown;
    let skip = 0;
    const fetchPart: typeof fetch = async (url, init) => {
      try {
        const response = await this.#fetch(url, init, request, watch.signal);
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
      for await (const chunk of chunks(blob!.slice(begin))) {
        watch.touch();
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
  #ask() {
    const request = this.#request();
    const ask: typeof fetch = (url, init) => {
      const late = AbortSignal.timeout(this.#answerTimeout);
      const signal = this.#signal ? AbortSignal.any([late, this.#signal]) : late;
      return this.#fetch(url, init, request, signal);
    };
    return { hubUrl: this.endpoint, fetch: ask };
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
    const address = new URL(url instanceof globalThis.Request ? url.url : url);
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

/** The DOM's types know no `for await` over a stream. */
async function* chunks(blob: Blob): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = blob.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it is closed already when it failed
  }
}

/** Aborts when the caller does, or when nothing was touched for `limit` milliseconds. */
class Watch {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #limit: number;
  #timer: NodeJS.Timeout;

  constructor(limit: number, other: AbortSignal | undefined) {
    this.#limit = limit;
    this.signal = other
      ? AbortSignal.any([other, this.#controller.signal])
      : this.#controller.signal;
    this.#timer = this.#start();
  }

  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  #start(): NodeJS.Timeout {
    const late = new DOMException("nothing came in time", "TimeoutError");
    return setTimeout(() => this.#controller.abort(late), this.#limit);
  }
}
