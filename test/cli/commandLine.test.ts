// What is typed, and what a --config file says: either spelling, other names, flags over the file.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withConfigFile } from "../../src/cli/commandLine/configFile.ts";
import { configText } from "../../src/cli/commandLine/printConfig.ts";
import { canonicalArguments } from "../../src/cli/commandLine/spelling.ts";
import { evaluateCommand } from "../../src/cli/evaluate.ts";
import { reproduceCommand } from "../../src/cli/reproduce.ts";
import { summarizeCommand } from "../../src/cli/summarize.ts";
import { trainCommand } from "../../src/cli/train.ts";
import { inFlags } from "../../src/cli/train/argumentFlags.ts";
import { ArgumentError } from "../../src/tensor/errors.ts";
import { gradloom } from "../support/command.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

const canonical = (command: Command, ...args: string[]) => canonicalArguments(command, args);

/** The command after it has read `args`, as main.ts reads them; nothing is run. */
function read(command: Command, ...args: string[]): Command {
  const quiet = command.exitOverride().configureOutput({ writeErr: () => undefined });
  const { operands, unknown } = quiet.parseOptions(
    withConfigFile(quiet, canonicalArguments(quiet, args)),
  );
  expect([...operands, ...unknown]).toEqual([]);
  return quiet;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe("spelling", () => {
  it("takes underscores, transformers' names and the old names", () => {
    expect(
      canonical(trainCommand(), "--learning_rate", "1e-3", "--per_device_train_batch_size=4"),
    ).toEqual(["--learning-rate", "1e-3", "--per-device-train-batch-size=4"]);
    expect(
      canonical(trainCommand(), "--lr=1", "--model_name_or_path", "m_n", "--overwrite_cache"),
    ).toEqual(["--learning-rate=1", "--model", "m_n", "--no-cache"]);
    expect(canonical(reproduceCommand(), "--output", "o", "--batch-size", "2")).toEqual([
      ...["--output-dir", "o", "--per-device-train-batch-size", "2"],
    ]);
    expect(canonical(summarizeCommand(), "--template", "{dialogue}")).toEqual([
      ...["--prompt-template", "{dialogue}"],
    ]);
    expect(canonical(evaluateCommand(), "--rows", "3", "--batch-size", "2")).toEqual([
      ...["--rouge-rows", "3", "--per-device-eval-batch-size", "2"],
    ]);
  });

  it("takes --no_X for switches, and leaves names that begin with no alone", () => {
    expect(
      canonical(trainCommand(), "--no_remove_unused_columns", "--no_fp16", "--no_cache"),
    ).toEqual([...["--remove-unused-columns=false", "--fp16=false", "--no-cache"]]);
    expect(canonical(trainCommand(), "--no_repeat_ngram_size", "3", "--no_cuda")).toEqual([
      ...["--no-repeat-ngram-size", "3", "--no-cuda"],
    ]);
    const flags = read(trainCommand(), "--no_repeat_ngram_size", "3", "--no_cuda").opts();
    expect(flags).toMatchObject({ noRepeatNgramSize: 3, noCuda: true, cache: true });
  });

  it("stops at --, and leaves values and unknown names as they are", () => {
    expect(canonical(summarizeCommand(), "--num_beams", "2", "--", "--my_file")).toEqual([
      ...["--num-beams", "2", "--", "--my_file"],
    ]);
    expect(canonical(trainCommand(), "--lerning_rate", "-1")).toEqual(["--lerning-rate", "-1"]);
  });

  it("names flags in messages about arguments", () => {
    expect(inFlags("loadBestModelAtEnd: evalStrategy and saveStrategy must be equal")).toBe(
      "--load-best-model-at-end: --eval-strategy and --save-strategy must be equal",
    );
  });
});

describe("--config", () => {
  it("takes YAML and JSON in either spelling, and flags win", async () => {
    const yaml = await file(
      "run.yaml",
      "learning_rate: 1e-3\nnumTrainEpochs: 2\ncache: false\nstreaming: true\nrevision: null\n" +
        'lr_scheduler_kwargs: {num_cycles: 2}\nlabel_names: [labels]\nprompt_template: "a\\\\nb\\n{x}"\n' +
        "lora_target_modules: [q, k]\nmodel_name_or_path: there\n",
    );
    const flags = read(trainCommand(), "--learning_rate", "5", "--config", yaml).opts();
    expect(flags).toMatchObject({
      ...{ learningRate: "5", numTrainEpochs: "2", cache: false, streaming: true, model: "there" },
      ...{ lrSchedulerKwargs: '{"num_cycles":2}', promptTemplate: "a\\nb\n{x}" },
      ...{ loraTargetModules: ["q", "k"], labelNames: ['["labels"]'] },
    });
    expect(flags.revision).toBeUndefined();
    const json = await file("run.json", '{"num_beams": 3, "generation_config": {"top_k": 5}}');
    expect(read(evaluateCommand(), `--config=${json}`).opts()).toMatchObject({
      ...{ numBeams: 3, generationConfig: { top_k: 5 } },
    });
  });

  it("is what --print-config prints, whole", async () => {
    const first = configText(
      read(trainCommand(), "--lr", "1e-3", "--optim", "adamw_torch", "--no_repeat_ngram_size", "2"),
    );
    expect(first).toContain("learning_rate: 0.001\n");
    expect(first).toContain("per_device_train_batch_size: 8\n");
    expect(first).toContain("no_repeat_ngram_size: 2\n");
    expect(first).not.toMatch(/deepspeed|print_config|^token:/m);
    const path = await file("printed.yaml", first);
    expect(configText(read(trainCommand(), "--config", path))).toBe(first);
  });

  it.each([
    [
      "lerning_rate: 1",
      /every key must be a flag of gradloom train, got lerning_rate. Did you mean learning_rate\?$/,
    ],
    ["- 1", /must be a mapping of flags to values, got \[1\]/],
    ["a: [", /must be a YAML or JSON file, got: /],
    ["streaming: yes please", /streaming: must be true or false, got "yes please"/],
  ])("refuses %j", async (text, message) => {
    const path = await file("wrong.yaml", text);
    const attempt = () => withConfigFile(trainCommand(), ["--config", path]);
    expect(attempt).toThrow(ArgumentError);
    expect(attempt).toThrow(message);
  });
});

it("--version prints the package's, and a wrong --config is wrong usage", async () => {
  expect(await gradloom(["--version"])).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  const { code, stderr } = await gradloom(["train", "--config", join(folder, "none.yaml")]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: --config: .*none.yaml must be a YAML or JSON file, got: ENOENT/);
});
