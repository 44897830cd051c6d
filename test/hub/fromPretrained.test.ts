// A model and its tokenizer by the id of a repository; a cache shared with Python and with other processes.

import { spawn } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { EXAMPLE_MODEL } from "../../src/cli/example.ts";
import { T5Config } from "../../src/t5/config.ts";
import { downloadSnapshot } from "../../src/hub/snapshot.ts";
import { addLora, removeLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { loadLora } from "../../src/t5/lora/files.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { HubError } from "../../src/tensor/errors.ts";
import { readSafetensors, writeSafetensors } from "../../src/tensor/safetensors.ts";
import { gradloom } from "../support/command.ts";
import { cpu } from "../support/device.ts";
import { COMMIT, FakeHub, type FakeRepository } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";
import { torchFile } from "../support/torchArchive.ts";
import { pythonWith, runPython } from "../support/python.ts";

const WEIGHTS = "model.safetensors";
const folder = temporaryFolder();
const ID = "google/flan-t5-example";
const options = { device: cpu };
let hub: FakeHub;
let cacheDir: string;
const example: Record<string, Buffer> = {};

beforeAll(async () => {
  for (const name of await readdir(EXAMPLE_MODEL)) {
    example[name] = await readFile(join(EXAMPLE_MODEL, name));
  }
  hub = await FakeHub.start();
});
afterAll(() => hub.stop());
beforeEach(() => {
  cacheDir = folder();
  hub.seen.length = 0;
  hub.faults = {};
  hub.redirects.clear();
  serve({ ...example, "README.md": "#", "pytorch_model.bin": "pickle" });
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
  vi.stubEnv("HF_HUB_CACHE", cacheDir);
  vi.stubEnv("HF_HUB_OFFLINE", "");
});
afterEach(() => vi.unstubAllEnvs());

function serve(files: FakeRepository["files"]): void {
  const large = Object.keys(files).filter((name) => /\.(safetensors|bin)$/.test(name));
  hub.repositories.set(`models/${ID}`, { files, large });
}
const downloaded = () =>
  new Set(
    hub.seen
      .filter(({ path }) => path.includes("/resolve/"))
      .map(({ path }) => path.split("/").at(-1)),
  );

/** Fails unless the model is the example's: bit for bit. */
async function expectExample(model: T5ForConditionalGeneration): Promise<void> {
  const expected = await T5ForConditionalGeneration.fromPretrained(EXAMPLE_MODEL, options);
  for (const [name, x] of expected.parameters()) {
    const found = await model.parameters().get(name)!.data();
    expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from((await x.data()).buffer))).toBe(0);
  }
  expected.dispose();
  model.dispose();
}

describe("fromPretrained of a Hub id", () => {
  it("loads model and tokenizer from the files that each needs", async () => {
    await T5Config.fromPretrained(ID);
    expect(downloaded()).toEqual(new Set(["config.json"]));
    const tokenizer = await Tokenizer.fromPretrained(ID);
    expect(downloaded()).toEqual(
      new Set([
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
      ]),
    );
    const local = await Tokenizer.fromPretrained(EXAMPLE_MODEL);
    expect(tokenizer.encode("Hello there.")).toEqual(local.encode("Hello there."));
    hub.seen.length = 0;
    await expectExample(await T5ForConditionalGeneration.fromPretrained(ID, options));
    expect(downloaded()).toEqual(new Set(["generation_config.json", "model.safetensors"]));
  });

  it("loads a model in shards: the index and what it names", async () => {
    const { tensors } = await readSafetensors(join(EXAMPLE_MODEL, "model.safetensors"));
    const files: Record<string, Buffer | string> = { ...example, "model-extra.safetensors": "x" };
    delete files["model.safetensors"];
    const weightMap: Record<string, string> = {};
    const half = tensors.size >> 1;
    for (const [i, part] of [[...tensors].slice(0, half), [...tensors].slice(half)].entries()) {
      const name = `model-0000${i + 1}-of-00002.safetensors`;
      const path = folder();
      await writeSafetensors(path, new Map(part));
      files[name] = await readFile(path);
      for (const [tensor] of part) weightMap[tensor] = name;
    }
    files["model.safetensors.index.json"] = JSON.stringify({ weight_map: weightMap });
    serve(files);
    await expectExample(await T5ForConditionalGeneration.fromPretrained(ID, options));
    expect(downloaded()).not.toContain("model-extra.safetensors");
    hub.seen.length = 0;
    await expectExample(
      await T5ForConditionalGeneration.fromPretrained(ID, { ...options, revision: COMMIT }),
    );
    expect(hub.seen).toEqual([]);
  });

  it("takes a folder of that name where there is one", async () => {
    const [before, place] = [process.cwd(), folder()];
    await cp(EXAMPLE_MODEL, join(place, ID), { recursive: true });
    process.chdir(place);
    try {
      await T5Config.fromPretrained(ID);
    } finally {
      process.chdir(before);
    }
    expect(hub.seen).toEqual([]);
  });

  it.each([
    [{ "config.json": "{}" }, /must hold model\.safetensors.*got no weights\. Name another/],
    [
      { "config.json": "{}", "model.fp16.safetensors": "x", "model.safetensors.md": "" },
      /got model\.fp16\.safetensors\. These are weights of the variant fp16/,
    ],
    [
      { "config.json": "{}", "model.safetensors.index.bf16.json": "{}" },
      /got model\.safetensors\.index\.bf16\.json\. .* of the variant bf16/,
    ],
    [
      { "config.json": "{}", "flax_model.msgpack": "x", "tf_model.h5": "x" },
      /got flax_model\.msgpack, tf_model\.h5\. Flax weights are not read.*from_flax=True/,
    ],
    [{ "config.json": "{}", "tf_model.h5": "x" }, /TensorFlow weights.*from_tf=True/],
    [
      { "config.json": "{}", "text/model.safetensors": "x", "README.md": "" },
      /got text\/model\.safetensors\. They lie in its folder text: pass that one/,
    ],
    [{ "config.json": "{}", "model.gguf": "x" }, /made for another runtime/],
    [
      { "config.json": "{}", "model-00001-of-00002.safetensors": "x" },
      /their index, model\.safetensors\.index\.json, must lie beside them/,
    ],
    [{ "config.json": "{}", "best.safetensors": "x" }, /rename it to model\.safetensors/],
    [
      { "model.safetensors": "x" },
      /must hold config\.json, got model\.safetensors\. Name a repository of a T5 model/,
    ],
    [
      { "b/t5-v1.1/config.json": "{}", "a/config.json": "{}" },
      /must hold config\.json, got .*There is one in a, b\/t5-v1\.1: pass that folder/,
    ],
  ])("names what a repository lacks: %j", async (files, message) => {
    serve(files);
    const error = await T5ForConditionalGeneration.fromPretrained(ID, options).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(HubError);
    expect((error as HubError).message).toMatch(message);
    expect((error as HubError).message).toMatch(/^google\/flan-t5-example: /);
    expect((error as HubError).message).toMatch(/There is no folder google\/flan-t5-example here/);
  });

  it("says so when only the cache was looked at, and when a repository holds no adapter", async () => {
    await Tokenizer.fromPretrained(ID);
    const cached = T5ForConditionalGeneration.fromPretrained(ID, {
      ...options,
      localFilesOnly: true,
    });
    await expect(cached).rejects.toThrow(
      /must hold config\.json, got .*tokenizer\.json.* Only the cache .*snapshots.* was looked at\. Unset HF_HUB_OFFLINE/,
    );
    const model = await T5ForConditionalGeneration.fromPretrained(EXAMPLE_MODEL, options);
    await expect(loadLora(model, ID)).rejects.toThrow(
      /flan-t5-example: the repository must hold adapter_config\.json, got .*\. Name a repository of a LoRA adapter/,
    );
    model.dispose();
  });

  it("loads pytorch_model.bin, whole or in shards, where there are no safetensors", async () => {
    const { [WEIGHTS]: safetensors, ...rest } = example;
    const tensors = [...(await readSafetensors(safetensors!)).tensors];
    serve({ ...rest, "pytorch_model.bin": Buffer.from(torchFile(tensors)) });
    await expectExample(await T5ForConditionalGeneration.fromPretrained(ID, options));
    expect(downloaded()).toContain("pytorch_model.bin");

    const shards = { "a.bin": tensors.slice(0, 5), "b.bin": tensors.slice(5) };
    const weightMap = Object.entries(shards).flatMap(([file, part]) =>
      part.map(([name]) => [name, file]),
    );
    const index = { weight_map: Object.fromEntries(weightMap) as Record<string, string> };
    vi.stubEnv("HF_HUB_CACHE", folder());
    serve({
      ...rest,
      "pytorch_model.bin.index.json": JSON.stringify(index),
      ...Object.fromEntries(
        Object.entries(shards).map(([file, part]) => [file, Buffer.from(torchFile(part))]),
      ),
    });
    await expectExample(await T5ForConditionalGeneration.fromPretrained(ID, options));
    expect([...downloaded()]).toEqual(expect.arrayContaining(["a.bin", "b.bin"]));
  });

  it("says that a text is neither a folder nor an id", async () => {
    for (const text of ["./google/flan", "a/b/c", "google/--flan", "flan..t5"]) {
      await expect(Tokenizer.fromPretrained(text)).rejects.toThrow(
        /must be a model folder .*got nothing there\. Check the path\. A Hub id reads organisation\/name/,
      );
    }
    expect(hub.seen).toEqual([]);
  });

  it("follows the Hub from an old name to the one of now, also without organisation", async () => {
    for (const old of ["flan-example", "before/flan-example"]) {
      hub.redirects.set(`models/${old}`, ID);
      await expectExample(await T5ForConditionalGeneration.fromPretrained(old, options));
      const local = await Tokenizer.fromPretrained(EXAMPLE_MODEL);
      const tokenizer = await Tokenizer.fromPretrained(old);
      expect(tokenizer.encode("Hello there.")).toEqual(local.encode("Hello there."));
      // Under the name that was asked for, as Python's library keeps it.
      expect(await readdir(cacheDir)).toContain(`models--${old.replace("/", "--")}`);
    }
    await expect(T5Config.fromPretrained("flan-exampel")).rejects.toThrow(
      /^flan-exampel: must be a model of .* that you may read, .*\(There is no folder flan-exampel here\.\)$/,
    );
  });

  it("takes what lies here under a name without organisation, be it a file", async () => {
    const [before, place] = [process.cwd(), folder()];
    await cp(EXAMPLE_MODEL, join(place, "flan-example"), { recursive: true });
    await cp(join(EXAMPLE_MODEL, "config.json"), join(place, "config.json"));
    process.chdir(place);
    try {
      await T5Config.fromPretrained("flan-example");
      await expect(T5Config.fromPretrained("config.json")).rejects.toThrow("got a file. Check");
    } finally {
      process.chdir(before);
    }
    expect(hub.seen).toEqual([]);
  });

  it("says that a local folder was taken where a repository could have been meant", async () => {
    const [before, place] = [process.cwd(), folder()];
    await cp(join(EXAMPLE_MODEL, "config.json"), join(place, "some/model/config.json"));
    await cp(join(EXAMPLE_MODEL, "config.json"), join(place, "some/notes/notes.json"));
    process.chdir(place);
    const taken = "taken, not the Hub's repository of that name)";
    try {
      await expect(
        T5ForConditionalGeneration.fromPretrained("some/model", options),
      ).rejects.toThrow(`got config.json (the local folder some/model was ${taken}`);
      await expect(Tokenizer.fromPretrained("some/notes")).rejects.toThrow(taken);
      await expect(T5Config.fromPretrained("some/notes")).rejects.toThrow(taken);
      const absolute = join(place, "some/notes");
      await expect(T5Config.fromPretrained(absolute)).rejects.toThrow("got notes.json. Pass");
    } finally {
      process.chdir(before);
    }
  });
});

describe("an adapter's id as the model", () => {
  const ADAPTER = "someone/flan-adapter";
  const saveAdapter = async (base: string | null): Promise<Record<string, Buffer>> => {
    const model = await T5ForConditionalGeneration.fromPretrained(EXAMPLE_MODEL, options);
    addLora(model, new LoraConfig({ r: 1 }));
    for (const [name, x] of model.parameters()) {
      if (name.includes("lora_"))
        x.device.write(x.storage, x.dtype, new Float32Array(x.size).fill(0.1));
    }
    model.nameOrPath = base;
    const files = await model.toFiles();
    model.dispose();
    const entries = [...files].map(
      async ([name, blob]) => [name, Buffer.from(await blob.arrayBuffer())] as const,
    );
    return Object.fromEntries(await Promise.all(entries));
  };

  it("loads the base model that it names, then the adapter of its own revision", async () => {
    const adapter = await saveAdapter(ID);
    const v1 = "1".repeat(40);
    hub.repositories.set(`models/${ADAPTER}`, { files: adapter, refs: { v1 } });
    for (const revision of [undefined, "v1"]) {
      hub.seen.length = 0;
      const model = await T5ForConditionalGeneration.fromPretrained(ADAPTER, {
        ...options,
        revision,
      });
      expect(model.nameOrPath).toBe(ID);
      const weights = [...model.parameters()].filter(([name]) => name.includes("lora_A"));
      expect(weights.length).toBeGreaterThan(0);
      expect((await weights[0]![1].data())[0]).toBeCloseTo(0.1);
      const asked = hub.seen.map(({ path }) => path).filter((path) => path.includes("/revision/"));
      expect(asked).toContain(`/api/models/${ADAPTER}/revision/${revision ?? "main"}`);
      expect(asked).toContain(`/api/models/${ID}/revision/main`);
      model.dispose();
    }
  });

  it("loads the base model in the revision that the adapter names", async () => {
    const model = await T5ForConditionalGeneration.fromPretrained(EXAMPLE_MODEL, options);
    model.nameOrPath = ID;
    model.revision = "v2";
    addLora(model, new LoraConfig({ r: 1 }));
    const saved = await model.toFiles();
    model.dispose();
    const files: Record<string, Buffer> = {};
    for (const [name, blob] of saved) files[name] = Buffer.from(await blob.arrayBuffer());
    expect(JSON.parse(files["adapter_config.json"]!.toString())).toMatchObject({
      base_model_name_or_path: ID,
      revision: "v2",
    });
    hub.repositories.set(`models/${ADAPTER}`, { files });
    await expect(T5ForConditionalGeneration.fromPretrained(ADAPTER, options)).rejects.toThrow(
      `${ID}: `,
    );
    hub.repositories.set(`models/${ID}`, { files: example, refs: { v2: "2".repeat(40) } });
    const local = folder();
    await mkdir(local);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(local, name), content);
    for (const source of [ADAPTER, local]) {
      hub.seen.length = 0;
      const loaded = await T5ForConditionalGeneration.fromPretrained(source, options);
      expect([loaded.nameOrPath, loaded.revision]).toEqual([ID, "v2"]);
      const asked = hub.seen
        .map(({ path }) => path)
        .filter((path) => path.includes(`models/${ID}/rev`));
      expect(asked).toEqual([`/api/models/${ID}/revision/v2`]);
      loaded.dispose();
    }
  });

  it("is the adapter's also where a config.json lies beside it, and where only the cache can be asked", async () => {
    const files = { ...(await saveAdapter(ID)), "config.json": example["config.json"]! };
    hub.repositories.set(`models/${ADAPTER}`, { files });
    const load = async (more: object): Promise<boolean> => {
      const model = await T5ForConditionalGeneration.fromPretrained(ADAPTER, {
        ...options,
        ...more,
      });
      const isThere = [...model.parameters().keys()].some((name) => name.includes("lora_A"));
      model.dispose();
      return isThere;
    };
    expect(await load({})).toBe(true);
    hub.seen.length = 0;
    expect(await load({ localFilesOnly: true })).toBe(true);
    expect(hub.seen).toEqual([]);
  });

  it("loads the base model that the adapter names, though a model lies beside it", async () => {
    const files = { ...example, ...(await saveAdapter(ID)), "model.safetensors": Buffer.from("x") };
    hub.repositories.set(`models/${ADAPTER}`, { files });
    const model = await T5ForConditionalGeneration.fromPretrained(ADAPTER, options);
    expect(model.nameOrPath).toBe(ID);
    expect([...model.parameters().keys()].some((name) => name.includes("lora_A"))).toBe(true);
    model.dispose();
  });

  it("names the base model to who reads a part of it", async () => {
    hub.repositories.set(`models/${ADAPTER}`, { files: await saveAdapter(ID) });
    await expect(T5Config.fromPretrained(ADAPTER)).rejects.toThrow(
      `${ADAPTER}: the repository must hold config.json, got a LoRA adapter of ${ID}. Load its base model, then the adapter.`,
    );
    await expect(Tokenizer.fromPretrained(ADAPTER)).rejects.toThrow(
      `${ADAPTER}: the repository must hold tokenizer.json, got a LoRA adapter of ${ID}. Load the tokenizer of its base model`,
    );
    hub.repositories.set(`models/${ADAPTER}`, { files: await saveAdapter(null) });
    await expect(T5Config.fromPretrained(ADAPTER)).rejects.toThrow(
      "got a LoRA adapter whose adapter_config.json names no base model. Load its base model, then",
    );
    await expect(T5ForConditionalGeneration.fromPretrained(ADAPTER, options)).rejects.toThrow(
      /models--someone--flan-adapter.*base_model_name_or_path must be a text, got null/,
    );
  });

  it("is no error where the repository has a model, too, that the cache lacks", async () => {
    hub.repositories.set(`models/${ADAPTER}`, {
      files: { ...example, ...(await saveAdapter(null)) },
    });
    const at = { ...options, revision: COMMIT };
    const model = await T5ForConditionalGeneration.fromPretrained(EXAMPLE_MODEL, options);
    await loadLora(model, ADAPTER, { revision: COMMIT });
    model.dispose();
    const whole = await T5ForConditionalGeneration.fromPretrained(ADAPTER, at);
    expect(whole.nameOrPath).toBe(ADAPTER);
    removeLora(whole);
    await expectExample(whole);
  });
});

const downloader = fileURLToPath(new URL("../support/downloadProcess.mjs", import.meta.url));

/** Downloads the weights in a process of its own. */
function downloadElsewhere(): { readonly pid: number; readonly code: Promise<number | null> } {
  const child = spawn(process.execPath, [downloader, ID, WEIGHTS], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { pid: child.pid!, code };
}

describe("the command", () => {
  it("takes a Hub id, says on stderr what it downloads, and names the revision that is none", async () => {
    const { code, stdout, stderr } = await gradloom(["info", "--model", ID, "--json"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ model: ID });
    expect(stderr).toMatch(/^download google\/flan-t5-example \(MB\): 1\/1 after .*config\.json\n/);
    const refused = await gradloom(["info", "--model", ID, "--revision", "v9"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^error: google\/flan-t5-example: revision v9 must be .*\n$/);
  });
});

describe("two processes", () => {
  it("that download at once fetch each byte once", async () => {
    hub.faults.pieceDelay = 2;
    const [first, second] = [downloadElsewhere(), downloadElsewhere()];
    expect(await Promise.all([first.code, second.code])).toEqual([0, 0]);
    expect(hub.downloads("model.safetensors").filter(({ isCdn }) => isCdn)).toHaveLength(1);
  });

  it("of which one is killed: the other goes on from there", async () => {
    hub.faults.pieceDelay = 5;
    const first = downloadElsewhere();
    await vi.waitFor(() => expect(hub.seen.some(({ isCdn }) => isCdn)).toBe(true), {
      timeout: 20_000,
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.kill(first.pid, "SIGKILL");
    await first.code;
    hub.faults = {};
    const { folder: snapshot } = await downloadSnapshot({ type: "model", name: ID }, () => ({
      required: [WEIGHTS],
    }));
    expect(example[WEIGHTS]!.equals(await readFile(join(snapshot, WEIGHTS)))).toBe(true);
    const ranges = hub.downloads("model.safetensors").filter(({ isCdn }) => isCdn);
    expect(ranges).toHaveLength(2);
    expect(ranges[1]!.range).toMatch(/^bytes=[1-9]/);
  });
});

const python = pythonWith("huggingface_hub");
const needsPython = (title: string) => (python ? title : `${title} (skipped: no huggingface_hub)`);

describe("the cache", () => {
  it.skipIf(!python)(needsPython("is found by Python's huggingface_hub"), async () => {
    const model = await T5ForConditionalGeneration.fromPretrained(ID, options);
    model.dispose();
    const script = `
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache
print(json.dumps({
  "folder": snapshot_download("${ID}", local_files_only=True),
  "file": hf_hub_download("${ID}", "model.safetensors", local_files_only=True),
  "absent": str(try_to_load_from_cache("${ID}", "tokenizer.json")),
  "repositories": [[r.repo_id, r.nb_files, [sorted(v.refs) for v in r.revisions]] for r in scan_cache_dir().repos],
  "warnings": [str(w) for w in scan_cache_dir().warnings],
}))`;
    const snapshot = join(cacheDir, `models--${ID.replace("/", "--")}`, "snapshots", COMMIT);
    expect(await runPython(python!, script)).toEqual({
      folder: snapshot,
      file: join(snapshot, "model.safetensors"),
      absent: "None",
      repositories: [[ID, 3, [["main"]]]],
      warnings: [],
    });
  });

  it.skipIf(!python)(
    needsPython("of Python's huggingface_hub is used without network"),
    async () => {
      const script = `
import json
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download("${ID}")))`;
      await runPython(python!, script, { HF_HUB_DISABLE_XET: "1" });
      hub.seen.length = 0;
      vi.stubEnv("HF_HUB_OFFLINE", "1");
      await expectExample(await T5ForConditionalGeneration.fromPretrained(ID, options));
      await Tokenizer.fromPretrained(ID);
      expect(hub.seen).toEqual([]);
    },
  );

  it("lies where huggingface_hub looks", async () => {
    vi.stubEnv("HF_HUB_CACHE", undefined);
    vi.stubEnv("HF_HOME", join(cacheDir, "home"));
    await T5Config.fromPretrained(ID);
    expect(await readdir(join(cacheDir, "home", "hub"))).toEqual([
      `models--${ID.replace("/", "--")}`,
    ]);
  });
});
