// Models, folders and runs pushed to a server that plays the Hub, and loaded from there; cut connections and refusals.

import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { EXAMPLE_MODEL } from "../../src/cli/example.ts";
import { resumeCommand } from "../../src/cli/train/runNotes.ts";
import { createRepository, pushFiles } from "../../src/hub/push.ts";
import { folderFiles, pushFolderToHub } from "../../src/hub/pushFolder.ts";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import {
  trainingArguments,
  type TrainingArgumentsInput,
} from "../../src/train/arguments/arguments.ts";
import type { TrainerCallback } from "../../src/train/callbacks.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { gradloom } from "../support/command.ts";
import { cpu } from "../support/device.ts";
import { FakeHub } from "../support/fakeHub.ts";
import { temporaryFolder } from "../support/folder.ts";
import { TinyModel, tinyRows } from "../support/tinyModel.ts";
import { tinyT5, weightsOf } from "../support/tinyT5.ts";

const folder = temporaryFolder();
const ID = "team/summaries";
const TOKEN = "hf_writer";
let hub: FakeHub;

beforeAll(async () => {
  hub = await FakeHub.start();
});
afterAll(() => hub.stop());
beforeEach(() => {
  hub.seen.length = 0;
  hub.repositories.clear();
  hub.pushes.reset();
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
  vi.stubEnv("HF_HUB_CACHE", folder());
  vi.stubEnv("HF_HUB_OFFLINE", "");
  vi.stubEnv("HF_TOKEN", TOKEN);
  vi.stubEnv("HF_TOKEN_PATH", folder());
});
afterEach(() => vi.unstubAllEnvs());

const filesOf = (id = ID): string[] =>
  Object.keys(hub.repositories.get(`models/${id}`)!.files).sort();

describe("a model", () => {
  it("is pushed with its tokenizer, large files in parts, and loads from there", async () => {
    const model = tinyT5();
    const states = new Set<string>();
    const result = await model.pushToHub(ID, {
      private: true,
      onProgress: ({ file, state }) => states.add(`${state} ${file}`),
    });
    expect(result).toMatchObject({ repoId: ID, url: `${hub.endpoint}/${ID}` });
    expect(hub.pushes.created).toEqual([
      expect.objectContaining({
        name: "summaries",
        organization: "team",
        type: "model",
        visibility: "private",
      }),
    ]);
    expect(hub.pushes.uploads.filter((path) => path.endsWith("/complete"))).toHaveLength(1);
    expect(hub.pushes.uploads.length).toBeGreaterThan(5);
    expect(states).toContain("hashing model.safetensors");
    expect(states).toContain("uploading model.safetensors");

    await (await Tokenizer.fromPretrained(EXAMPLE_MODEL)).pushToHub(ID);
    expect(hub.pushes.commits.map(({ title, branch }) => [title, branch])).toEqual([
      ["Upload model", "main"],
      ["Upload tokenizer", "main"],
    ]);
    const loaded = await T5ForConditionalGeneration.fromPretrained(ID, { device: cpu });
    expect(await weightsOf(loaded)).toEqual(await weightsOf(model));
    expect((await Tokenizer.fromPretrained(ID)).padTokenId).toBe(0);
  });

  it("sends the token to the Hub alone, whatever a file is sent to", async () => {
    await tinyT5().pushToHub(ID, { token: TOKEN });
    expect(hub.pushes.storageAuthorizations.length).toBeGreaterThan(5);
    expect(new Set(hub.pushes.storageAuthorizations)).toEqual(new Set([undefined]));
    for (const { path, authorization } of hub.seen.filter(({ isCdn }) => !isCdn)) {
      expect(authorization, path).toBe(`Bearer ${TOKEN}`);
    }
  });
});

describe("a folder", () => {
  const filled = async (): Promise<string> => {
    const path = folder();
    await mkdir(`${path}/runs/one`, { recursive: true });
    await mkdir(`${path}/checkpoint-3`);
    const texts: Record<string, string> = {
      ...{ "README.md": "# card", "config.json": "{}", "runs/one/events": "e", _notes: "mine" },
      ...{
        ".gradloom.lock": "l",
        "checkpoint-3/model.safetensors": "c",
        "a.json.0123abcd.tmp": "t",
      },
      ...{ ".gitattributes": "*.safetensors filter=lfs" },
    };
    for (const [name, text] of Object.entries(texts)) await writeFile(`${path}/${name}`, text);
    await writeFile(`${path}/model.safetensors`, Buffer.alloc(20_000, 7));
    return path;
  };
  const PUSHED = [
    ".gitattributes",
    "README.md",
    "config.json",
    "model.safetensors",
    "runs/one/events",
  ];

  it("is pushed without what is no part of a model, and the rest of the repository stays", async () => {
    hub.repositories.set(`models/${ID}`, { files: { LICENSE: "text" }, commit: "0".repeat(40) });
    const result = await pushFolderToHub(await filled(), ID, { commitMessage: "First" });
    expect(filesOf()).toEqual([...PUSHED, "LICENSE"].sort());
    expect(hub.pushes.commits).toEqual([
      { repository: ID, branch: "main", title: "First", paths: PUSHED },
    ]);
    expect(result.commit).toBe(hub.repositories.get(`models/${ID}`)!.commit);
    expect(hub.repositories.get(`models/${ID}`)!.files["model.safetensors"]).toEqual(
      Buffer.alloc(20_000, 7),
    );
  });

  it("goes to a branch that is made, and again to the same one", async () => {
    for (const text of ["one", "two"]) {
      const path = await filled();
      await writeFile(`${path}/config.json`, text);
      await pushFolderToHub(path, ID, { revision: "try/1", pathInRepo: "sub/" });
    }
    expect(hub.pushes.commits.map(({ branch }) => branch)).toEqual(["try/1", "try/1"]);
    expect(filesOf()).toContain("sub/config.json");
  });

  it("belongs to the token's user where the id is a name alone", async () => {
    expect((await pushFolderToHub(await filled(), "mine")).repoId).toBe("tester/mine");
  });

  it("follows links to files, and names those that lead nowhere", async () => {
    const path = folder();
    await mkdir(path);
    await symlink(`${await filled()}/config.json`, `${path}/config.json`);
    expect([...(await folderFiles(path)).keys()]).toEqual(["config.json"]);
    await symlink("nowhere", `${path}/model.safetensors`);
    await expect(pushFolderToHub(path, ID)).rejects.toThrow(
      /links must lead to files, got .*model/,
    );
    expect(hub.seen).toEqual([]);
  });

  it("arrives whole through cut connections and errors that pass", async () => {
    hub.pushes.faults = {
      cutAfter: { bytes: 1000, times: 3 },
      status: { path: /preupload/, status: 503, times: 2 },
    };
    await pushFolderToHub(await filled(), ID);
    expect(hub.pushes.faults.cutAfter!.times).toBe(0);
    expect(filesOf()).toEqual([...PUSHED].sort());
  });

  it("goes on where a push that failed had come to", async () => {
    const path = await filled();
    hub.pushes.faults = { status: { path: /\/commit\//, status: 502, times: 1 } };
    await expect(pushFolderToHub(path, ID)).rejects.toThrow(
      `${ID}: the Hub must answer, got status 502 (as the test wants it). Push again later; what has arrived is not sent twice.`,
    );
    const sent = hub.pushes.uploads.length;
    expect(sent).toBeGreaterThan(0);
    await pushFolderToHub(path, ID);
    expect(hub.pushes.uploads).toHaveLength(sent);
    expect(hub.pushes.commits).toHaveLength(1);
  });

  it.each([
    [
      "no token",
      "",
      /^pushToHub: needs a token that may write, got none\. Make one at .*\/settings\/tokens, and set HF_TOKEN or pass it as token\.$/,
    ],
    [
      "a wrong token",
      "hf_gone",
      /^team\/summaries: the token must be valid, got status 401 .*set HF_TOKEN or hubToken\.$/,
    ],
    [
      "a token that only reads",
      "hf_reader",
      /^team\/summaries: the token must be allowed to write to team, got status 403.*Give it the role "write"/,
    ],
  ])("is refused with %s", async (_what, token, message) => {
    hub.pushes.tokens.set("hf_reader", "read");
    vi.stubEnv("HF_TOKEN", token);
    const failure = pushFolderToHub(await filled(), ID);
    await expect(failure).rejects.toThrow(message);
    await failure.catch((error: Error) => {
      if (token !== "")
        expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(token);
    });
  });

  it("is taken by a repository to which the token may write, though it can make none", async () => {
    hub.pushes.tokens.set("hf_member", "commit");
    hub.repositories.set(`models/${ID}`, { files: {}, commit: "0".repeat(40) });
    await pushFolderToHub(await filled(), ID, { token: "hf_member" });
    expect(hub.pushes.commits).toHaveLength(1);
  });

  it("says that somebody else pushed meanwhile", async () => {
    hub.pushes.faults = { status: { path: /\/commit\//, status: 409, times: 1 } };
    await expect(pushFolderToHub(await filled(), ID)).rejects.toThrow(
      /^team\/summaries: the branch main must not change while it is pushed to, got status 409 .*Push again;/,
    );
  });

  it("is not pushed offline, to an id that cannot be, from nowhere, or out of the repository", async () => {
    await expect(pushFolderToHub(await filled(), "a//b")).rejects.toThrow(/must be owner\/name/);
    await expect(pushFolderToHub(folder(), ID)).rejects.toThrow(
      /must be a folder that can be read, got .*ENOENT/,
    );
    await expect(pushFiles(ID, new Map([["../x", new Blob(["x"])]]))).rejects.toThrow(
      'paths must stay in the repository, got "../x"',
    );
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(createRepository(ID)).rejects.toThrow(/needs the Hub, got HF_HUB_OFFLINE/);
    expect(hub.seen).toEqual([]);
  });

  it("is pushed by the command", async () => {
    const pushed = await gradloom(["push", await filled(), ID, "--private", "--json"]);
    expect(pushed.code, pushed.stderr).toBe(0);
    expect(JSON.parse(pushed.stdout)).toMatchObject({ repoId: ID });
    expect(filesOf()).toEqual([...PUSHED].sort());
    const wrong = await gradloom(["push", ID, "folder"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("error: push: must be a folder, got team/summaries.");
  });
});

describe("a run", () => {
  async function run(
    args: TrainingArgumentsInput,
    callbacks: TrainerCallback[] = [],
  ): Promise<Trainer> {
    const trainer = new Trainer({
      ...{ model: new TinyModel(), trainDataset: tinyRows(16), callbacks },
      args: {
        ...{ outputDir: folder(), maxSteps: 4, saveSteps: 2, loggingSteps: 1, disableTqdm: true },
        ...{ pushToHub: true, hubModelId: ID, hubAlwaysPush: true, ...args },
      },
    });
    await trainer.train();
    return trainer;
  }
  const titles = (): string[] => hub.pushes.commits.map(({ title }) => title);

  it("makes its repository first, pushes each checkpoint, and the model with its card at the end", async () => {
    let begun = 0;
    const trainer = await run({ hubToken: TOKEN, reportTo: "jsonl" }, [
      { onTrainBegin: () => expect(hub.pushes.created).toHaveLength(1) },
      { onPushBegin: () => begun++ },
    ]);
    expect(titles()).toEqual(["Training in progress, step 2", "Training in progress, step 4"]);
    const pushed = await trainer.pushToHub({ license: "mit" });
    expect(titles().at(-1)).toBe("End of training");
    expect(begun).toBe(3);
    expect(pushed?.commit).toBe(hub.repositories.get(`models/${ID}`)!.commit);
    expect(filesOf()).toEqual([
      ...["README.md", "config.json", "log.jsonl", "model.safetensors", "training_args.json"],
    ]);
    const card = String(hub.repositories.get(`models/${ID}`)!.files["README.md"]);
    expect(card).toContain("\nlicense: mit\n");
    expect(card).toContain("\n# summaries\n");
    expect(card).toContain(`fromPretrained("${ID}"`);
  });

  it.each([
    ["end", [], ["Model save"]],
    ["checkpoint", ["last-checkpoint"], ["Training in progress, step 4, checkpoint"]],
    [
      "all_checkpoints",
      ["checkpoint-2", "checkpoint-4"],
      ["Training in progress, step 2, checkpoint"],
    ],
  ] as const)('with hubStrategy "%s" pushes what that says', async (hubStrategy, folders, some) => {
    const trainer = await run({ hubStrategy, saveTotalLimit: 1 });
    if (hubStrategy === "end") {
      expect(titles()).toEqual([]);
      await trainer.saveModel();
    }
    expect(titles()).toEqual(expect.arrayContaining([...some]));
    const found = new Set(filesOf().flatMap((path) => /^(.*checkpoint.*)\//.exec(path)?.[1] ?? []));
    expect([...found]).toEqual(folders);
    if (folders.length > 0) expect(filesOf()).toContain(`${folders[0]}/optimizer.safetensors`);
  });

  it("goes on when a checkpoint cannot be pushed, and fails at once when nothing could be", async () => {
    const warnings: string[] = [];
    const before = setWarningHandler((text) => warnings.push(text));
    try {
      hub.pushes.faults = { status: { path: /\/commit\//, status: 409, times: 1 } };
      const trainer = await run({});
      expect(trainer.state.globalStep).toBe(4);
      expect(titles()).toEqual(["Training in progress, step 4"]);
      expect(warnings).toEqual([
        expect.stringMatching(
          /^pushToHub: training goes on, and this checkpoint is not on the Hub: /,
        ),
      ]);
    } finally {
      setWarningHandler(before);
    }
    const never = { onTrainBegin: () => expect.fail("trained") };
    await expect(run({ hubToken: "hf_gone" }, [never])).rejects.toThrow(/got status 401/);
  });

  it("keeps its token out of files, logs and printed commands", async () => {
    const trainer = await run({ hubToken: TOKEN, reportTo: "all", hubStrategy: "checkpoint" });
    await trainer.saveModel();
    const { outputDir } = trainer.args;
    for (const url of (await folderFiles(outputDir)).values() as Iterable<URL>) {
      expect((await readFile(url, "latin1")).includes(TOKEN), url.href).toBe(false);
    }
    const saved = await readFile(`${outputDir}/checkpoint-4/training_args.json`, "utf8");
    expect(saved).not.toContain(TOKEN);
    const again = trainingArguments(trainingArguments({ hubToken: TOKEN }));
    expect(again.hubToken).toBe(TOKEN);
    expect(JSON.stringify({ ...again })).not.toContain(TOKEN);
    const argv = [
      "node",
      "gradloom",
      "train",
      "--hub-token",
      TOKEN,
      `--hub_token=${TOKEN}`,
      "--lora",
    ];
    expect(resumeCommand(argv, "c", "/")).toBe("gradloom train --lora --resume-from-checkpoint c");
  });
});
