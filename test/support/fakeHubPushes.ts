// The side of the Hub that is written to: repositories made, branches, the questions before a commit, the storage of large
// files (git-lfs, in parts where they are long), and commits, after which the files can be downloaded again.

import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FakeRepository } from "./fakeHub.ts";

/** What of the hub the pushes change. */
interface Host {
  readonly repositories: Map<string, FakeRepository>;
  readonly endpoint: string;
}

export interface PushFaults {
  /** Ends the connection after so many bytes of an upload to the storage, this many times. */
  cutAfter?: { readonly bytes: number; times: number };
  /** Answers requests whose path matches with this status, this many times. */
  status?: { readonly path: RegExp; readonly status: number; times: number };
}

export interface SeenCommit {
  readonly repository: string;
  readonly branch: string;
  readonly title: string;
  readonly paths: readonly string[];
}

/** What a token may do. */
type Rights = "write" | "read" | "commit";

/** Bytes from which a file is kept in the storage, and the length of its parts. */
const LARGE = 1000;
const PART = 4096;

export class PushSide {
  /** By token; of "commit" no repository can be made. */
  readonly tokens = new Map<string, Rights>([["hf_writer", "write"]]);
  readonly commits: SeenCommit[] = [];
  readonly created: Readonly<Record<string, unknown>>[] = [];
  /** Uploads to the storage that arrived, by method and path. */
  readonly uploads: string[] = [];
  /** Authorization headers that the storage saw. */
  readonly storageAuthorizations: (string | undefined)[] = [];
  faults: PushFaults = {};
  readonly #host: Host;
  readonly #storage = new Map<string, Buffer>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** Forgets what arrived, and what is in the storage. */
  reset(): void {
    for (const list of [this.commits, this.created, this.uploads, this.storageAuthorizations]) {
      list.length = 0;
    }
    this.#storage.clear();
    this.faults = {};
  }

  takes(method: string, path: string): boolean {
    return (
      method === "POST" ||
      method === "PUT" ||
      path === "/api/whoami-v2" ||
      /^\/api\/models\/[^/]+\/[^/]+$/.test(path)
    );
  }

  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    storage: string,
  ): Promise<void> {
    const send = (status: number, value: object): void => {
      response.statusCode = status;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(value));
    };
    const { status } = this.faults;
    if (status && status.times > 0 && status.path.test(url.pathname)) {
      status.times--;
      request.resume();
      return send(status.status, { error: "as the test wants it" });
    }
    const body = await this.#body(request, url.pathname.startsWith("/storage/"));
    if (body === null) return void response.destroy();
    if (url.pathname.startsWith("/storage/")) return this.#store(request, response, url, body);
    const rights = this.tokens.get(request.headers.authorization?.replace("Bearer ", "") ?? "");
    if (rights === undefined) return send(401, { error: "Invalid credentials" });
    if (url.pathname === "/api/whoami-v2") return send(200, { name: "tester", auth: {} });
    if (url.pathname === "/api/repos/create") {
      if (rights !== "write") return send(403, { error: "no right to make it" });
      const wish = JSON.parse(body.toString()) as Record<string, string>;
      this.created.push(wish);
      const id = `models/${wish.organization}/${wish.name}`;
      if (this.#host.repositories.has(id)) return send(409, { error: "You already created it" });
      this.#host.repositories.set(id, { files: {}, commit: hash("sha1", id) });
      return send(200, { url: `${this.#host.endpoint}/${id.slice(7)}`, id });
    }
    const [, name, action, branch] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+?)(?:\.git)?(?:\/(commit|preupload|branch|info)\/([^/]+).*)?$/
        .exec(url.pathname)!
        .map((part) => part && decodeURIComponent(part)) as string[];
    const id = `models/${name}`;
    const repository = this.#host.repositories.get(id);
    if (repository === undefined) return send(404, { error: "Repository not found" });
    if (action === undefined) return send(200, { id: name });
    if (rights === "read") return send(403, { error: "a token that only reads" });
    const { refs = {}, commit: head = "" } = repository;
    if (action === "branch") {
      if (branch! in refs) return send(409, { error: "Reference already exists" });
      this.#host.repositories.set(id, { ...repository, refs: { ...refs, [branch!]: head } });
      return send(200, {});
    }
    if (action === "info") return send(200, this.#batch(body, storage));
    if (branch !== "main" && !(branch! in refs)) return send(404, { error: "Invalid rev id" });
    if (action === "preupload") {
      const { files } = JSON.parse(body.toString()) as { files: { path: string; size: number }[] };
      return send(200, {
        files: files.map(({ path, size }) => ({
          ...{ path, shouldIgnore: false, uploadMode: size >= LARGE ? "lfs" : "regular" },
        })),
      });
    }
    const oid = this.#commit(id, repository, branch!, body.toString());
    send(200, { success: true, commitOid: oid, commitUrl: `${this.#host.endpoint}/${name}` });
  }

  /** null when the connection was cut on purpose. */
  async #body(request: IncomingMessage, isStorage: boolean): Promise<Buffer | null> {
    const chunks: Buffer[] = [];
    let length = 0;
    const cut = this.faults.cutAfter;
    try {
      for await (const chunk of request) {
        chunks.push(chunk as Buffer);
        length += (chunk as Buffer).length;
        if (isStorage && cut && cut.times > 0 && length > cut.bytes) {
          cut.times--;
          request.destroy();
          return null;
        }
      }
    } catch {
      return null; // the client went away
    }
    return Buffer.concat(chunks);
  }

  #batch(body: Buffer, storage: string): object {
    const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
    const upload = (oid: string, size: number): object => {
      if (size <= PART) return { href: `${storage}/storage/${oid}` };
      const parts = Array.from({ length: Math.ceil(size / PART) }, (_, i) => [
        String(i + 1).padStart(5, "0"),
        `${storage}/storage/${oid}/${i + 1}`,
      ]);
      const header = { chunk_size: String(PART), ...Object.fromEntries(parts) };
      return { href: `${storage}/storage/${oid}/complete`, header };
    };
    return {
      transfer: "multipart",
      objects: objects.map(({ oid, size }) => ({
        ...{ oid, size },
        ...(this.#storage.has(oid) ? {} : { actions: { upload: upload(oid, size) } }),
      })),
    };
  }

  #store(
    request: IncomingMessage,
    response: ServerResponse,
    { pathname }: URL,
    body: Buffer,
  ): void {
    this.storageAuthorizations.push(request.headers.authorization);
    const [oid, part] = pathname.slice("/storage/".length).split("/") as [string, string?];
    this.uploads.push(`${request.method} ${pathname}`);
    if (part === "complete") {
      const { parts } = JSON.parse(body.toString()) as { parts: { partNumber: number }[] };
      const pieces = parts.map(({ partNumber }) => this.#storage.get(`${oid}/${partNumber}`)!);
      this.#keep(oid, Buffer.concat(pieces));
    } else if (part === undefined) this.#keep(oid, body);
    else this.#storage.set(`${oid}/${part}`, body);
    response.setHeader("etag", `"${hash("sha1", body)}"`);
    response.end();
  }

  #keep(oid: string, content: Buffer): void {
    if (hash("sha256", content) !== oid)
      throw new Error(`the storage got another content for ${oid}`);
    this.#storage.set(oid, content);
  }

  #commit(id: string, repository: FakeRepository, branch: string, text: string): string {
    const lines = text.split("\n").map((line) => JSON.parse(line) as CommitLine);
    const files: Record<string, Buffer | string> = { ...repository.files };
    const large = new Set(repository.large);
    const paths: string[] = [];
    let title = "";
    for (const { key, value } of lines) {
      if (key === "header") title = value.summary!;
      if (key === "file") files[value.path!] = Buffer.from(value.content!, "base64");
      if (key === "lfsFile") {
        files[value.path!] = this.#storage.get(value.oid!)!;
        large.add(value.path!);
      }
      if (key !== "header") paths.push(value.path!);
    }
    const oid = hash("sha1", text + this.commits.length);
    const refs = branch === "main" ? repository.refs : { ...repository.refs, [branch]: oid };
    this.#host.repositories.set(id, {
      ...{ ...repository, files, large: [...large] },
      ...(refs === undefined ? {} : { refs }),
      ...(branch === "main" ? { commit: oid } : {}),
    });
    this.commits.push({ repository: id.slice("models/".length), branch, title, paths });
    return oid;
  }
}

interface CommitLine {
  readonly key: "header" | "file" | "lfsFile";
  readonly value: Readonly<Partial<Record<"summary" | "path" | "content" | "oid", string>>>;
}

function hash(algorithm: "sha1" | "sha256", content: Buffer | string): string {
  return createHash(algorithm).update(content).digest("hex");
}
