// A push with what pages have in place of @huggingface/hub: the same requests, seen by the server that plays the Hub.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createRepository, pushFiles } from "../../src/hub/push.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { cpu } from "../support/device.ts";
import { FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";
import { tinyT5, weightsOf } from "../support/tinyT5.ts";

vi.mock("../../src/hub/hubLibraryOfNode.ts", () => import("../../src/hub/hubLibraryOfPages.ts"));

const folder = temporaryFolder();
const ID = "team/from-a-page";
let hub: FakeHub;

beforeAll(async () => {
  hub = await FakeHub.start();
});
afterAll(() => hub.stop());
beforeEach(() => {
  hub.repositories.clear();
  hub.pushes.reset();
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
  vi.stubEnv("HF_HUB_CACHE", folder());
  vi.stubEnv("HF_HUB_OFFLINE", "");
  vi.stubEnv("HF_TOKEN", "hf_writer");
});
afterEach(() => vi.unstubAllEnvs());

describe("from a page", () => {
  it("a model is pushed in parts, through cut connections, and loads from there", async () => {
    const model = tinyT5();
    const seen: string[] = [];
    hub.pushes.faults = { cutAfter: { bytes: 1000, times: 2 } };
    const result = await model.pushToHub(ID, {
      ...{ private: true, revision: "dev" },
      onProgress: ({ file, state, progress }) => seen.push(`${state} ${file} ${progress}`),
    });
    expect(result.commit).toBe(hub.repositories.get(`models/${ID}`)!.refs!.dev);
    expect(hub.pushes.created).toEqual([
      { name: "from-a-page", organization: "team", type: "model", visibility: "private" },
    ]);
    expect(hub.pushes.uploads.at(-1)).toMatch(/^POST .*\/complete$/);
    expect(new Set(hub.pushes.storageAuthorizations)).toEqual(new Set([undefined]));
    expect(seen.at(-1)).toBe("uploading model.safetensors 1");
    const options = { device: cpu, revision: "dev" };
    const loaded = await T5ForConditionalGeneration.fromPretrained(ID, options);
    expect(await weightsOf(loaded)).toEqual(await weightsOf(model));
  });

  it("a small file goes inside the commit, a large one that is there is not sent again", async () => {
    const files = new Map([
      ["note.txt", new Blob(["größer als ASCII"])],
      ["data.bin", new Blob([new Uint8Array(3000).fill(9)])],
    ]);
    expect(await createRepository("mine")).toBe("tester/mine");
    await createRepository("mine"); // is there
    for (const times of [1, 2]) {
      await pushFiles("tester/mine", files);
      expect(hub.pushes.uploads).toHaveLength(1);
      expect(hub.pushes.commits).toHaveLength(times);
    }
    const kept = hub.repositories.get("models/tester/mine")!.files;
    expect(String(kept["note.txt"])).toBe("größer als ASCII");
    expect(kept["data.bin"]).toEqual(Buffer.alloc(3000, 9));
  });

  it("a refusal says what to do", async () => {
    await expect(createRepository(ID, { token: "hf_gone" })).rejects.toThrow(
      /status 401.*HF_TOKEN/,
    );
    await expect(pushFiles(ID, new Map([["a", new Blob(["b"])]]))).rejects.toThrow(
      /^team\/from-a-page: must be a model of .* with the branch main, got status 404/,
    );
  });
});
