// Downloads with the real client, against a server that plays the Hub.

import { createHash, randomBytes } from "node:crypto";
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type * as pauses from "../../src/hub/pause.ts";
import { downloadSnapshot, type Choose } from "../../src/hub/snapshot.ts";
import type { DownloadProgress, HubOptions } from "../../src/hub/options.ts";
import { HubError } from "../../src/tensor/errors.ts";
import { COMMIT, FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";

// Pauses between attempts add up to seconds.
vi.mock("../../src/hub/pause.ts", async (original) => {
  const { pause } = await original<typeof pauses>();
  return { pause: (ms: number, signal?: AbortSignal) => pause(Math.min(ms, 5), signal) };
});

const folder = temporaryFolder();
const repository = { type: "model", name: "org/model" } as const;
const weights = randomBytes(300_000);
const config = '{"a": 1}\n';
const everything: Choose = () => ({
  required: ["config.json", "weights.bin"],
  optional: ["extra"],
});
const other = "f".repeat(40);

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
  hub.repositories.set("models/org/model", {
    files: { "config.json": config, "weights.bin": weights, "unwanted.bin": weights, "sub/x": "x" },
    large: ["weights.bin", "unwanted.bin"],
    refs: { "v1.0": other, "refs/pr/1": COMMIT },
  });
  vi.stubEnv("HF_ENDPOINT", `${hub.endpoint}/`);
  vi.stubEnv("HF_TOKEN", "hf_secret");
  for (const name of ["HF_HUB_OFFLINE", "HF_HUB_DISABLE_SYMLINKS"]) vi.stubEnv(name, "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const download = (options: HubOptions = {}, choose = everything) =>
  downloadSnapshot(repository, choose, { cacheDir, ...options });
const inCache = (...path: string[]) => join(cacheDir, "models--org--model", ...path);
async function errorOf(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => expect.fail("must be refused"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  expect((error as HubError).message).not.toContain("\n");
  return error as HubError;
}
async function expectWhole(snapshot: string): Promise<void> {
  expect(await readFile(join(snapshot, "config.json"), "utf8")).toBe(config);
  expect(weights.equals(await readFile(join(snapshot, "weights.bin")))).toBe(true);
}
/** Names in blobs/ that are not those of whole files. */
const leftovers = async () =>
  (await readdir(inCache("blobs"))).filter((name) => name.includes("."));

describe("a download", () => {
  it("puts the wanted files, and no others, into the standard layout", async () => {
    const snapshot = await download();
    expect(snapshot).toEqual({ folder: inCache("snapshots", COMMIT), commit: COMMIT });
    await expectWhole(snapshot.folder);
    expect((await readdir(snapshot.folder)).sort()).toEqual(["config.json", "weights.bin"]);
    expect((await lstat(join(snapshot.folder, "config.json"))).isSymbolicLink()).toBe(true);
    expect(await readlink(join(snapshot.folder, "config.json"))).toMatch(
      /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/,
    );
    expect(await readlink(join(snapshot.folder, "weights.bin"))).toMatch(/[0-9a-f]{64}$/);
    expect(await readFile(inCache("refs", "main"), "utf8")).toBe(COMMIT);
    expect(await readdir(inCache(".no_exist", COMMIT))).toEqual(["extra"]);
    expect(await leftovers()).toEqual([]);
  });

  it("sends the token to the endpoint and not to where it redirects", async () => {
    await download();
    expect(hub.seen.some(({ isCdn }) => isCdn)).toBe(true);
    for (const { isCdn, authorization } of hub.seen) {
      expect(authorization).toBe(isCdn ? undefined : "Bearer hf_secret");
    }
    hub.seen.length = 0;
    await download({ cacheDir: folder(), token: false });
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it("sends no token where a page of the list says that the next one is", async () => {
    hub.faults.pagesElsewhere = true;
    await download();
    const pages = hub.seen.filter(({ path }) => path.includes("/tree/"));
    expect(pages.map(({ isCdn }) => isCdn)).toEqual([false, true]);
    expect(pages[1]!.authorization).toBeUndefined();
  });

  it("is not repeated for what is there", async () => {
    await download();
    hub.seen.length = 0;
    await download();
    expect(hub.downloads("config.json")).toEqual([]);
    expect(hub.downloads("weights.bin")).toEqual([]);
  });

  it("needs no network for a commit that the cache has", async () => {
    await download();
    hub.seen.length = 0;
    await expectWhole((await download({ revision: COMMIT })).folder);
    expect(hub.seen).toEqual([]);
  });

  it("follows a branch that moved, and shares what did not change", async () => {
    const before = await download();
    const files = { "config.json": '{"a": 2}\n', "weights.bin": weights };
    hub.repositories.set("models/org/model", { files, large: ["weights.bin"], commit: other });
    hub.seen.length = 0;
    const after = await download();
    expect(after.commit).toBe(other);
    expect(await readFile(join(after.folder, "config.json"), "utf8")).toBe('{"a": 2}\n');
    expect(hub.downloads("weights.bin")).toEqual([]);
    await expectWhole(before.folder);
  });

  it("takes tags and references with slashes", async () => {
    expect((await download({ revision: "v1.0" })).commit).toBe(other);
    expect((await download({ revision: "refs/pr/1" })).commit).toBe(COMMIT);
    expect(await readFile(inCache("refs", "refs", "pr", "1"), "utf8")).toBe(COMMIT);
  });

  it("gets a dataset's files from below datasets/", async () => {
    hub.repositories.set("datasets/org/model", { files: { "data/a.csv": "a\n1\n" } });
    const choose: Choose = ({ names }) => ({ required: names });
    const dataset = { type: "dataset", name: "org/model" } as const;
    const snapshot = await downloadSnapshot(dataset, choose, { cacheDir });
    expect(snapshot.folder).toBe(join(cacheDir, "datasets--org--model", "snapshots", COMMIT));
    expect(await readFile(join(snapshot.folder, "data", "a.csv"), "utf8")).toBe("a\n1\n");
    expect(await readlink(join(snapshot.folder, "data", "a.csv"))).toMatch(
      /^\.\.\/\.\.\/\.\.\/blobs/,
    );
  });

  it("tells progress in bytes that never fall and end at the total", async () => {
    const seen: DownloadProgress[] = [];
    await download({ onProgress: (progress) => seen.push(progress) });
    const total = config.length + weights.length;
    expect(seen.length).toBeGreaterThan(4);
    expect(
      seen.every((each, i) => each.total === total && each.loaded >= (seen[i - 1]?.loaded ?? 0)),
    ).toBe(true);
    expect(seen.at(-1)).toEqual({ file: "weights.bin", loaded: total, total });
  });

  it("copies files where there are no links", async () => {
    vi.stubEnv("HF_HUB_DISABLE_SYMLINKS", "1");
    const { folder: snapshot } = await download();
    await expectWhole(snapshot);
    expect((await lstat(join(snapshot, "weights.bin"))).isFile()).toBe(true);
    expect(await readdir(inCache("blobs"))).toEqual([]); // moved, not kept twice
    hub.seen.length = 0;
    await download();
    expect(hub.downloads("weights.bin")).toEqual([]);
  });

  it("fetches a file again whose blob was deleted", async () => {
    const { folder: snapshot } = await download();
    await writeFile(join(snapshot, "weights.bin"), "short");
    await rm(join(snapshot, "weights.bin"));
    await rm(
      inCache(
        "blobs",
        (await readdir(inCache("blobs"))).find((name) => name.length === 64)!,
      ),
    );
    await expectWhole((await download()).folder);
  });
});

describe("a connection that is cut", () => {
  it("is continued at the byte where it ended", async () => {
    hub.faults.cutAfter = { bytes: 100_000, times: 2 };
    await expectWhole((await download()).folder);
    const ranges = hub.seen.filter(({ isCdn }) => isCdn).map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges).toHaveLength(3);
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-299999$/);
  });

  it("is given up when no byte comes, and the next download goes on from there", async () => {
    hub.faults.cutAfter = { bytes: 100_000, times: 1 };
    const abort = new AbortController();
    const stop = ({ loaded }: DownloadProgress) => {
      if (loaded > 50_000) abort.abort();
    };
    await expect(download({ signal: abort.signal, onProgress: stop })).rejects.toThrow(/abort/i);
    expect(await readdir(inCache("snapshots", COMMIT))).toEqual(["config.json"]);
    expect(await leftovers()).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.incomplete$/)]);
    expect(await stat(inCache("refs", "main")).catch(() => null)).toBeNull();
    const [partial] = await leftovers();
    const { size } = await stat(inCache("blobs", partial!));
    expect(size).toBeGreaterThan(50_000);
    hub.faults = {};
    hub.seen.length = 0;
    await expectWhole((await download()).folder);
    expect(hub.seen.filter(({ isCdn }) => isCdn).map(({ range }) => range)).toEqual([
      `bytes=${size}-299999`,
    ]);
  });

  it("is continued on a server that knows no ranges, too", async () => {
    hub.faults = { cutAfter: { bytes: 100_000, times: 1 }, ignoresRanges: true };
    await expectWhole((await download()).folder);
  });

  it("names file, bytes and cure when the server never brings more", async () => {
    hub.faults.cutAfter = { bytes: 0, times: Infinity };
    hub.repositories.set("models/org/model", { files: { "config.json": config } });
    const choose: Choose = () => ({ required: ["config.json"] });
    const { message, failure } = await errorOf(download({}, choose));
    expect(failure).toBe("unreachable");
    expect(message).toMatch(
      /^org\/model: config\.json must arrive whole, got 0 of 9 bytes.*go on from there\.$/,
    );
  });

  it("starts again when what was there is not the beginning of the file", async () => {
    const name = createHash("sha256").update(weights).digest("hex");
    await mkdir(inCache("blobs"), { recursive: true });
    await writeFile(inCache("blobs", `${name}.incomplete`), "something else");
    await utimes(inCache("blobs", `${name}.incomplete`), 0, 0);
    await expectWhole((await download()).folder);
    expect(await leftovers()).toEqual([]);
  });
});

describe("bytes that are not the repository's", () => {
  it.each([
    ["shorter", (bytes: Buffer) => bytes.subarray(0, 200_000), /must have 300000 bytes|as long as/],
    [
      "longer",
      (bytes: Buffer) => Buffer.concat([bytes, bytes]),
      /must have 300000 bytes.*got more/,
    ],
    [
      "changed",
      (bytes: Buffer) => Buffer.from(bytes).fill(0, 5, 6),
      /must have the hash [0-9a-f]{64}, got/,
    ],
  ])("are refused when %s, and nothing of them is left", async (_how, change, message) => {
    hub.faults.content = (path, bytes) => (path === "weights.bin" ? change(bytes) : bytes);
    const error = await errorOf(download());
    expect(error.failure).toBe("corrupt");
    expect(error.message).toMatch(/^org\/model: weights\.bin/);
    expect(error.message).toMatch(message);
    expect(await leftovers()).toEqual([]);
    expect(await readdir(inCache("snapshots", COMMIT))).toEqual(["config.json"]);
    hub.faults = {};
    await expectWhole((await download()).folder);
  });
});

describe("refusals", () => {
  it("names the repository that does not exist, and what to do", async () => {
    hub.repositories.clear();
    const refused = await errorOf(download({ token: false }));
    expect(refused.failure).toBe("refused");
    expect(refused.message).toBe(
      `org/model: must be a model of ${hub.endpoint} that you may read, got status 401. Check its name; if it is private, set HF_TOKEN.`,
    );
    expect((await errorOf(download())).message).toMatch(
      /RepoNotFound.*set HF_TOKEN to a token that may read it/,
    );
  });

  it("names the file, the revision, the gate", async () => {
    const missing: Choose = () => ({ required: ["model.safetensors"] });
    expect((await errorOf(download({}, missing))).message).toMatch(
      /^org\/model: must hold model\.safetensors at commit 0123456789ab, got config\.json, weights\.bin/,
    );
    expect((await errorOf(download({ revision: "v2" }))).message).toMatch(
      /^org\/model: revision v2 must be a branch, tag or commit hash/,
    );
    expect((await errorOf(download({ revision: "../../x" }))).message).toMatch(/revision must be/);
    hub.repositories.set("models/org/model", {
      files: { "config.json": config, "weights.bin": weights },
      isGated: true,
    });
    expect((await errorOf(download({ token: false }))).message).toMatch(
      /^org\/model: config\.json: must be open to you.*Ask for access at http.*\/org\/model, then set HF_TOKEN\.$/,
    );
  });

  it("lets in whoever has the token of a private repository, from the environment or a file", async () => {
    const tokenFile = folder();
    await writeFile(tokenFile, "mirror-token\n");
    const files = { "config.json": config, "weights.bin": weights };
    hub.repositories.set("models/org/model", { files, privateTo: "mirror-token" });
    await errorOf(download());
    vi.stubEnv("HF_TOKEN", undefined);
    vi.stubEnv("HF_TOKEN_PATH", tokenFile);
    await expectWhole((await download()).folder);
    vi.stubEnv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    await errorOf(download({ cacheDir: folder() }));
  });

  it("never follows a name out of the cache", async () => {
    hub.repositories.set("models/org/model", { files: { "../../evil": "x", "a\\b": "x" } });
    const error = await errorOf(download({}, () => ({ required: ["../../evil"] })));
    expect(error.message).toMatch(/must hold \.\.\/\.\.\/evil at commit .*got no file/);
    expect(await stat(join(cacheDir, "evil")).catch(() => null)).toBeNull();
  });

  it("says why the cache cannot be written", async () => {
    const file = folder();
    await writeFile(file, "");
    const { message, failure } = await errorOf(download({ cacheDir: file }));
    expect(failure).toBe("disk");
    expect(message).toMatch(/the cache must be writable, got ENOTDIR.*HF_HUB_CACHE/);
  });
});

describe("without network", () => {
  it("takes what the cache has, asking nobody", async () => {
    await download();
    hub.seen.length = 0;
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expectWhole((await download()).folder);
    expect(hub.seen).toEqual([]);
  });

  it("names what the cache lacks", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect((await errorOf(download())).message).toMatch(
      /^org\/model: revision main must be in the cache .*models--org--model .*Unset HF_HUB_OFFLINE/,
    );
    vi.stubEnv("HF_HUB_OFFLINE", "0");
    await download({}, () => ({ required: ["config.json"] }));
    expect((await errorOf(download({ localFilesOnly: true }))).message).toMatch(
      /^org\/model: weights\.bin must be in the cache .*got config\.json\. Unset/,
    );
  });

  it("says so when the Hub cannot be reached, and uses the cache", async () => {
    const nobody = { HF_ENDPOINT: "http://127.0.0.1:9" };
    vi.stubEnv("HF_ENDPOINT", nobody.HF_ENDPOINT);
    const { message, failure } = await errorOf(download());
    expect(failure).toBe("unreachable");
    expect(message).toMatch(
      /^org\/model: http:\/\/127\.0\.0\.1:9 must answer, got .*Check the network/,
    );
    vi.stubEnv("HF_ENDPOINT", hub.endpoint);
    await download();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    vi.stubEnv("HF_ENDPOINT", nobody.HF_ENDPOINT);
    await expectWhole((await download()).folder);
    expect(warn).toHaveBeenCalledTimes(1);
    vi.stubEnv("HF_ENDPOINT", hub.endpoint);
    hub.faults.status = 503;
    await expectWhole((await download()).folder);
    expect(warn).toHaveBeenCalledTimes(2);
    expect(warn.mock.calls[1]![0]).toMatch(/status 503.*Using what the cache has/);
  });

  it("gives up on a server that says nothing", async () => {
    vi.stubEnv("HF_HUB_DOWNLOAD_TIMEOUT", "0.05");
    hub.faults.isSilent = true;
    const choose: Choose = () => ({ required: ["weights.bin"] });
    const { message } = await errorOf(download({}, choose));
    expect(message).toMatch(/weights\.bin must arrive whole.*no answer in time/);
  });
});
