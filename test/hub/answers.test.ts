// A server that answers in the Hub's place: a login page, a proxy, or one that means harm. Each answer is refused by
// HubError within bounds, and the cache is used where it holds the model.

import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { HubOptions } from "../../src/hub/options.ts";
import type * as pauses from "../../src/hub/pause.ts";
import { downloadSnapshot, type Choose } from "../../src/hub/snapshot.ts";
import { HubError } from "../../src/tensor/errors.ts";
import { FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";

// Pauses between attempts add up to seconds.
vi.mock("../../src/hub/pause.ts", async (original) => {
  const { pause } = await original<typeof pauses>();
  return { pause: (ms: number, signal?: AbortSignal) => pause(Math.min(ms, 5), signal) };
});

const folder = temporaryFolder();
const repository = { type: "model", name: "org/model" } as const;
const config: Choose = () => ({ required: ["config.json"] });
const MEBIBYTE = Buffer.alloc(2 ** 20, "a");

let hub: FakeHub;
let cacheDir: string;
beforeAll(async () => {
  hub = await FakeHub.start();
});
afterAll(() => hub.stop());
beforeEach(() => {
  cacheDir = folder();
  hub.seen.length = 0;
  hub.faults = {};
  hub.repositories.set("models/org/model", { files: { "config.json": "{}" } });
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("HF_HUB_OFFLINE", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const download = (options: HubOptions = {}) =>
  downloadSnapshot(repository, config, { cacheDir, ...options });

function send(response: ServerResponse, value: unknown, type = "application/json"): boolean {
  response.setHeader("content-type", type);
  response.end(typeof value === "string" ? value : JSON.stringify(value));
  return true;
}

/** Sends until nobody reads any more. */
function endless(response: ServerResponse): true {
  const push = (): void => {
    while (!response.destroyed && response.write(MEBIBYTE));
    if (!response.destroyed) response.once("drain", push);
  };
  response.on("error", () => undefined);
  push();
  return true;
}

const file = { type: "file", path: "config.json", size: 2, oid: "a".repeat(40) };
type Answer = (response: ServerResponse, url: URL) => boolean;

const REVISION: readonly (readonly [what: string, answer: Answer, got: string])[] = [
  [
    "a login page",
    (r) => send(r, "<html>log in</html>", "text/html"),
    "no JSON (text/html, 19 bytes",
  ],
  ["an empty body", (r) => send(r, ""), "no JSON (application/json, 0 bytes"],
  ["null", (r) => send(r, null), "nothing where an object must be"],
  ["a list", (r) => send(r, []), "a list where an object must be"],
  ["20,000 lists in lists", (r) => send(r, "[".repeat(20_000) + "]".repeat(20_000)), "no JSON"],
  ["no commit", (r) => send(r, { id: "org/model" }), "nothing where the commit of main must be"],
  ["a number for a commit", (r) => send(r, { sha: 5 }), "a number where the commit of main"],
  ["a path for a commit", (r) => send(r, { sha: "../../x" }), "a string where the commit of main"],
  ["a body without an end", (r) => endless(r), "more than 32 MiB"],
  ["a body that unpacks for ever", bomb, "more than 32 MiB"],
  ["a slow body", slow, "no answer in time"],
];

const TREE: readonly (readonly [what: string, answer: Answer, got: string])[] = [
  ["an object", (r) => send(r, { error: "x" }), "an object where a list must be"],
  ["a text", (r) => send(r, "abc"), "no JSON"],
  ["a list with null", (r) => send(r, [null, file]), "a list with nothing in it"],
  ["a list of texts", (r) => send(r, ["config.json"]), "a list with a string in it"],
  ["a path that is a number", (r) => send(r, [{ ...file, path: 5 }]), "a number where the path"],
  ["a size below 0", (r) => send(r, [{ ...file, size: -5 }]), "a number where the size of a file"],
  ["a size that is text", (r) => send(r, [{ ...file, size: "2" }]), "a string where the size"],
  ["no size", (r) => send(r, [{ ...file, size: null }]), "nothing where the size of a file"],
  ["a next page without end", nextPage((n) => `&cursor=${n + 1}`), "more than 200 pages"],
  ["pages of 30 MiB", nextPage((n) => `&cursor=${n + 1}`, 30 * 2 ** 20), "128 MiB in 5 pages"],
  ["slow pages without end", slowPage, "pages, and more to come, in 20 times"],
  ["a next page that is the same", nextPage(() => ""), "the same page again"],
];

/** 64 KB that unpack to 64 MiB. */
function bomb(response: ServerResponse): true {
  const packed = gzipSync(Buffer.alloc(64 * 2 ** 20, " "));
  response.setHeader("content-encoding", "gzip");
  response.end(packed);
  return true;
}

function slow(response: ServerResponse): true {
  response.write("{");
  const timer = setInterval(() => response.write(" "), 50);
  response.on("close", () => clearInterval(timer));
  return true;
}

function nextPage(cursor: (page: number) => string, blanks = 0): Answer {
  return (response, url) => {
    const page = Number(url.searchParams.get("cursor") ?? 0);
    const address = `${hub.endpoint}${url.pathname}?recursive=true&expand=false${cursor(page)}`;
    response.setHeader("link", `<${address}>; rel="next"`);
    return send(response, " ".repeat(blanks) + JSON.stringify([{ ...file, path: `${page}` }]));
  };
}

const nextOne = nextPage((n) => `&cursor=${n + 1}`);
function slowPage(response: ServerResponse, url: URL): true {
  setTimeout(() => nextOne(response, url), 40);
  return true;
}

/** HF_HUB_ETAG_TIMEOUT for those that take as long as they may. */
const SECONDS: Readonly<Record<string, string>> = {
  "a slow body": "1",
  "slow pages without end": "0.2",
};

describe.each([
  ["revision", REVISION],
  ["tree", TREE],
] as const)("an answer about the %s that is no Hub's", (question, answers) => {
  it.each(answers)("is refused: %s", async (what, answer, got) => {
    vi.stubEnv("HF_HUB_ETAG_TIMEOUT", SECONDS[what] ?? "20");
    hub.faults.api = (asked, response, url) => asked === question && answer(response, url);
    const error = await download().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HubError);
    const { message, failure } = error as HubError;
    expect(failure).toBe("unreachable");
    expect(message).toMatch(/^org\/model: http:\/\/127\.0\.0\.1:\d+ must answer/);
    expect(message).toContain(got);
  });

  it.each(answers.slice(0, 4))("leaves what the cache has: %s", async (_, answer) => {
    const { folder: whole } = await download();
    hub.faults.api = (asked, response, url) => asked === question && answer(response, url);
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect((await download()).folder).toBe(whole);
    expect(String(warned.mock.calls[0])).toMatch(/must answer.*Using what the cache has/s);
  });
});

describe("an answer without a body, for a file", () => {
  it("is refused, and not waited for", async () => {
    hub.faults.api = (question, response) => {
      if (question !== "resolve") return false;
      response.statusCode = 204;
      response.end();
      return true;
    };
    const error = (await download().catch((reason: unknown) => reason)) as HubError;
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toContain("config.json: the Hub must answer, got status 204");
  });
});

describe("a file that comes a byte at a time", () => {
  it("is given up after five attempts, whatever each of them brought", async () => {
    const content = "x".repeat(500);
    hub.repositories.set("models/org/model", { files: { "config.json": content } });
    hub.faults.cutAfter = { bytes: 1, times: 100 };
    const error = (await download().catch((reason: unknown) => reason)) as HubError;
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(/config\.json must arrive whole, got 5 of 500 bytes/);
  });
});
