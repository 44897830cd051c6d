// An HTTP server on 127.0.0.1 that plays the Hugging Face Hub: its API, `resolve` with the headers that clients rely
// on, large files behind a redirect to another origin (as the Hub's CDN), ranges, and faults on demand.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PushSide } from "./fakeHubPushes.ts";

export interface FakeRepository {
  readonly files: Readonly<Record<string, Buffer | string>>;
  readonly commit?: string;
  /** Branches and tags besides main. */
  readonly refs?: Readonly<Record<string, string>>;
  /** The token without which the repository does not seem to exist. */
  readonly privateTo?: string;
  /** Its list of files is public, its files are not. */
  readonly isGated?: boolean;
  /** Names of the files that are kept behind the redirect. */
  readonly large?: readonly string[];
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly isCdn: boolean;
}

/** What the server does wrong; tests change it between requests. */
export interface Faults {
  /** Ends the connection after so many bytes of a file's content, this many times. */
  cutAfter?: { readonly bytes: number; times: number };
  /** Replaces the content of files that are sent. */
  content?: (path: string, content: Buffer) => Buffer;
  /** Answers every request with this status. */
  status?: number;
  ignoresRanges?: boolean;
  /** Takes requests for content and never answers them. */
  isSilent?: boolean;
  /** Says that the second page of a list of files is on another host. */
  pagesElsewhere?: boolean;
  /** Answers a question, "revision", "tree" or "resolve" (a file); gives false to leave it to the server. */
  api?: (question: string, response: ServerResponse, url: URL) => boolean;
  /** Milliseconds between two pieces of a file. */
  pieceDelay?: number;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const PIECE = 16 * 1024;

export class FakeHub {
  readonly seen: SeenRequest[] = [];
  faults: Faults = {};
  /** By `models/org/name` or `datasets/org/name`. */
  readonly repositories = new Map<string, FakeRepository>();
  /** From `models/name` of an old or renamed repository to the `organisation/name` it has now. */
  readonly redirects = new Map<string, string>();
  endpoint = "";
  #cdn = "";
  readonly #servers: Server[] = [];
  /** What it takes from those who write. */
  readonly pushes = new PushSide(this);

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    const listen = async (isCdn: boolean): Promise<string> => {
      const server = createServer((request, response) => hub.#answer(request, response, isCdn));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      hub.#servers.push(server);
      // Another name for the CDN: clients follow redirects within a host in another way.
      return `http://${isCdn ? "localhost" : "127.0.0.1"}:${(server.address() as AddressInfo).port}`;
    };
    hub.endpoint = await listen(false);
    hub.#cdn = await listen(true);
    return hub;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** Requests for the content of a file. */
  downloads(path: string): SeenRequest[] {
    return this.seen.filter(
      (each) =>
        each.method === "GET" && each.path.endsWith(`/${path}`) && !each.path.startsWith("/api"),
    );
  }

  #answer(request: IncomingMessage, response: ServerResponse, isCdn: boolean): void {
    const url = new URL(request.url!, this.endpoint);
    const { range, authorization } = request.headers;
    // As the Hub lets pages of all sites read.
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-expose-headers", "link, etag, content-range, x-error-code");
    if (request.method === "OPTIONS") {
      response.setHeader("access-control-allow-headers", "authorization, content-type, range");
      response.setHeader("access-control-allow-methods", "GET, POST, PUT");
      return void response.writeHead(204).end();
    }
    this.seen.push({ method: request.method!, path: url.pathname, range, authorization, isCdn });
    if (this.faults.status !== undefined) return fail(response, this.faults.status);
    if (this.pushes.takes(request.method!, url.pathname)) {
      return void this.pushes.answer(request, response, url, this.#cdn);
    }
    const parts = url.pathname.slice(1).split("/").map(decodeURIComponent);
    if (isCdn && !url.pathname.startsWith("/api/")) return this.#content(request, response, parts);
    const isApi = parts[0] === "api";
    if (isApi) parts.shift();
    const type = ["models", "datasets"].includes(parts[0]!) ? parts.shift()! : "models";
    const target = this.#redirected(type, parts);
    if (target !== undefined) {
      const prefix = isApi ? `/api/${type}` : type === "datasets" ? "/datasets" : "";
      response.setHeader("location", `${prefix}/${target}${url.search}`);
      return fail(response, 307);
    }
    const [organisation, name, action, revision, ...path] = parts;
    if (this.faults.api?.(action!, response, url)) return;
    const id = `${organisation}/${name}`;
    const repository = this.repositories.get(`${type}/${id}`);
    const isHidden =
      repository?.privateTo !== undefined && authorization !== `Bearer ${repository.privateTo}`;
    if (repository === undefined || isHidden) {
      return authorization === undefined
        ? fail(response, 401)
        : fail(response, 404, "RepoNotFound");
    }
    const { commit = COMMIT, refs = {}, files } = repository;
    const commits = Object.fromEntries(
      [commit, ...Object.values(refs)].map((each) => [each, each]),
    );
    const found = { main: commit, HEAD: commit, ...commits, ...refs }[revision!];
    if (found === undefined) return fail(response, 404, "RevisionNotFound");
    if (isApi && action === "revision") {
      return json(response, {
        _id: "1",
        id,
        sha: found,
        private: false,
        downloads: 0,
        likes: 0,
        lastModified: "2024-01-01T00:00:00.000Z",
        siblings: Object.keys(files).map((rfilename) => ({ rfilename })),
      });
    }
    if (isApi && action === "tree") return this.#tree(url, response, repository);
    if (action !== "resolve") return fail(response, 404);
    this.#resolve(request, response, repository, [type, id, path.join("/"), found]);
  }

  /** The rest of the address that answers for these parts now. */
  #redirected(type: string, parts: readonly string[]): string | undefined {
    for (const length of [1, 2]) {
      const [name, rest] = [parts.slice(0, length).join("/"), parts.slice(length)];
      const target = this.redirects.get(`${type}/${name}`);
      if (target === undefined || !["revision", "tree", "resolve"].includes(rest[0]!)) continue;
      return [target, ...rest.map(encodeURIComponent)].join("/");
    }
    return undefined;
  }

  /** Two entries a page, as the Hub sends a thousand. */
  #tree(url: URL, response: ServerResponse, { files, large = [] }: FakeRepository): void {
    const entries = Object.entries(files).map(([path, content]) => {
      const { sha1, sha256, bytes } = hashes(content);
      const lfs = { oid: sha256, size: bytes.length, pointerSize: 134 };
      return {
        type: "file",
        path,
        size: bytes.length,
        oid: sha1,
        ...(large.includes(path) ? { lfs } : {}),
      };
    });
    const begin = Number(url.searchParams.get("cursor") ?? 0);
    if (begin + 2 < entries.length) {
      url.searchParams.set("cursor", String(begin + 2));
      const host = this.faults.pagesElsewhere ? this.#cdn : this.endpoint;
      response.setHeader("link", `<${host}${url.pathname}${url.search}>; rel="next"`);
    }
    json(response, entries.slice(begin, begin + 2));
  }

  #resolve(
    request: IncomingMessage,
    response: ServerResponse,
    repository: FakeRepository,
    [type, id, path, commit]: readonly [string, string, string, string],
  ): void {
    response.setHeader("x-repo-commit", commit);
    if (repository.isGated && request.headers.authorization === undefined) {
      return fail(response, 401, "GatedRepo");
    }
    const content = repository.files[path];
    if (content === undefined) return fail(response, 404, "EntryNotFound");
    const { sha1, sha256, bytes } = hashes(content);
    if (!repository.large?.includes(path)) {
      response.setHeader("etag", `"${sha1}"`);
      return this.#send(request, response, path, bytes);
    }
    response.setHeader("x-linked-size", bytes.length);
    response.setHeader("x-linked-etag", `"${sha256}"`);
    response.setHeader("location", `${this.#cdn}/${type}/${id}/${path}`);
    response.statusCode = 302;
    response.end();
  }

  #content(request: IncomingMessage, response: ServerResponse, parts: readonly string[]): void {
    const [type, organisation, name, ...path] = parts;
    const repository = this.repositories.get(`${type}/${organisation}/${name}`)!;
    const place = path.join("/");
    this.#send(request, response, place, hashes(repository.files[place]!).bytes);
  }

  #send(request: IncomingMessage, response: ServerResponse, path: string, whole: Buffer): void {
    if (this.faults.isSilent) return;
    const bytes = this.faults.content?.(path, whole) ?? whole;
    const range = this.faults.ignoresRanges
      ? null
      : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const begin = Number(range?.[1] ?? 0);
    const end = Math.min(bytes.length, range?.[2] ? Number(range[2]) + 1 : bytes.length);
    response.setHeader("accept-ranges", "bytes");
    if (range && begin >= bytes.length) return fail(response, 416);
    if (range) {
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${begin}-${end - 1}/${bytes.length}`);
    }
    response.setHeader("content-length", end - begin);
    if (request.method === "HEAD") return void response.end();
    void this.#pieces(response, bytes.subarray(begin, end));
  }

  async #pieces(response: ServerResponse, bytes: Buffer): Promise<void> {
    const cut = this.faults.cutAfter;
    const isCut = cut !== undefined && cut.times > 0 && bytes.length > cut.bytes;
    if (isCut) cut.times--;
    const end = isCut ? cut.bytes : bytes.length;
    const isSlow = isCut || this.faults.pieceDelay !== undefined;
    const length = isSlow ? PIECE : 16 * PIECE;
    for (let begin = 0; begin < end && !response.destroyed; begin += length) {
      const piece = bytes.subarray(begin, Math.min(end, begin + length));
      await new Promise((resolve) => response.write(piece, resolve));
      if (this.faults.pieceDelay !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, this.faults.pieceDelay));
      }
    }
    if (isCut) response.destroy();
    else response.end();
  }
}

function hashes(content: Buffer | string): { bytes: Buffer; sha1: string; sha256: string } {
  const bytes = Buffer.from(content);
  return {
    bytes,
    sha1: createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex"),
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code?: string): void {
  response.statusCode = status;
  if (code !== undefined) response.setHeader("x-error-code", code);
  json(response, { error: `status ${status}` });
}
