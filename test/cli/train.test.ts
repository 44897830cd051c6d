// `gradloom train`: flags made from the table of training arguments, a whole run, and taking it up again.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { argumentOptions, argumentsOf } from "../../src/cli/train/argumentFlags.ts";
import { trainingArguments, trainingDefaults } from "../../src/train/arguments/arguments.ts";
import { gradloom } from "../support/command.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gradloom-train-"));
});
afterAll(() => rm(folder, { recursive: true }));

function parse(...flags: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const option of argumentOptions()) command.addOption(option);
  command.parse(flags, { from: "user" });
  return argumentsOf(command.opts());
}

describe("the flags of training arguments", () => {
  it("are there for every argument, under its own name", () => {
    const command = new Command();
    for (const option of argumentOptions()) command.addOption(option);
    expect(command.options.map((option) => option.attributeName())).toEqual(
      expect.arrayContaining(Object.keys(trainingDefaults)),
    );
    expect(command.options).toHaveLength(Object.keys(trainingDefaults).length);
  });

  it("read the notebook's block", () => {
    const args = parse(
      ...["--output-dir", "out", "--per-device-train-batch-size", "16"],
      ...[
        "--gradient-accumulation-steps",
        "2",
        "--weight-decay",
        ".01",
        "--eval-strategy",
        "steps",
      ],
      ...["--eval-steps", "10", "--save-steps", "10", "--warmup-steps", "10"],
      ...["--num-train-epochs", "3", "--load-best-model-at-end", "--metric-for-best-model", "loss"],
      ...["--save-total-limit", "3", "--report-to", "none", "--greater-is-better=false"],
      ...["--adam-beta1", "0.8", "--logging-nan-inf-filter", "false", "--learning-rate", "1e-3"],
    );
    expect(args).toEqual({
      ...{ outputDir: "out", perDeviceTrainBatchSize: 16, gradientAccumulationSteps: 2 },
      ...{ weightDecay: 0.01, evalStrategy: "steps", evalSteps: 10, saveSteps: 10 },
      ...{ warmupSteps: 10, numTrainEpochs: 3, loadBestModelAtEnd: true },
      ...{ metricForBestModel: "loss", saveTotalLimit: 3, reportTo: "none" },
      ...{ greaterIsBetter: false, adamBeta1: 0.8, loggingNanInfFilter: false, learningRate: 1e-3 },
    });
    expect(trainingArguments(args).maxSteps).toBe(-1);
  });

  it("leave what is not given to the defaults", () => {
    expect(parse()).toEqual({ outputDir: "gradloom-output" });
    expect(parse("--dataloader-drop-last").dataloaderDropLast).toBe(true);
    expect(parse("--save-total-limit", "none").saveTotalLimit).toBeNull();
  });

  it.each([
    [["--max-steps", "0"], 'It must be a whole number of at least 1, or -1 for none, got "0".'],
    [["--learning-rate", "fast"], 'It must be a number of at least 0, got "fast".'],
    [["--eval-strategy", "never"], 'It must be one of "no", "steps", "epoch", got "never".'],
    [["--load-best-model-at-end", "maybe"], 'It must be true or false, got "maybe".'],
    [["--evaluation-strategi", "steps"], "unknown option '--evaluation-strategi'"],
  ])("say what is wrong with %j", (flags, message) => {
    expect(() => parse(...flags)).toThrow(message);
  });
});

interface Result {
  readonly globalStep: number;
  readonly bestModelCheckpoint: string;
  readonly logHistory: readonly Readonly<Record<string, number>>[];
  readonly rouge: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly predictions: readonly string[];
}

const flags = (output: string): string[] => [
  ...["train", "--json", "--output-dir", output, "--threads", "1", "--device", "cpu"],
  ...["--per-device-train-batch-size", "4", "--gradient-accumulation-steps", "2"],
  ...["--eval-strategy", "steps", "--eval-steps", "2", "--save-steps", "2", "--logging-steps", "1"],
  ...["--warmup-steps", "2", "--max-steps", "4", "--learning-rate", "1e-3"],
  ...["--max-train-rows", "24", "--max-eval-rows", "4", "--sample-rows", "2"],
  ...["--predict-with-generate", "--generation-max-length", "12", "--load-best-model-at-end"],
  ...["--metric-for-best-model", "rouge1", "--early-stopping-patience", "3"],
  ...["--save-total-limit", "3", "--report-to", "all", "--rouge-rows", "3"],
  ...["--max-new-tokens", "10"],
];

/** Without what depends on the clock. */
const figures = (records: Result["logHistory"]) =>
  records.map((record) =>
    Object.fromEntries(Object.entries(record).filter(([key]) => !/runtime|per_second/.test(key))),
  );

describe("a run", () => {
  it("ends with the best model by ROUGE, a report, and the same figures when it is taken up again", async () => {
    const whole = join(folder, "whole");
    const first = await gradloom(flags(whole));
    expect(first.code, first.stderr).toBe(0);
    const result = JSON.parse(first.stdout) as Result;
    expect(result.globalStep).toBe(4);
    const evaluations = result.logHistory.filter((record) => record.eval_rouge1 !== undefined);
    expect(evaluations.map(({ step }) => step)).toEqual([2, 4]);
    const best = evaluations.reduce((a, b) => (b.eval_rouge1! > a.eval_rouge1! ? b : a));
    expect(result.bestModelCheckpoint).toBe(join(whole, `checkpoint-${best.step}`));
    expect(result.predictions).toHaveLength(3);
    expect(Object.keys(result.rouge)).toEqual(["rouge1", "rouge2", "rougeL", "rougeLsum"]);
    const here = (await readdir(whole)).sort();
    expect(here).toEqual([
      ...["README.md", "all_results.json", "checkpoint-2", "checkpoint-4", "config.json"],
      ...["eval_results.json", "generated_predictions.txt", "generation_config.json", "log.jsonl"],
      ...["model.safetensors", "predict_results.json", "report.html", "runs", "samples.jsonl"],
      ...["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"],
      ...["train_results.json", "trainer_state.json", "training_args.json"],
    ]);
    expect(await readdir(join(whole, "checkpoint-4"))).toContain("tokenizer.json");

    // The output folder is the best model, with the figures of its evaluation.
    const json = async (name: string) =>
      JSON.parse(await readFile(join(whole, name), "utf8")) as Record<string, number>;
    const figuresOfBest = Object.fromEntries(
      Object.entries(best).filter(([key]) => key !== "step"),
    );
    expect(await json("eval_results.json")).toEqual({ ...figuresOfBest, eval_samples: 4 });
    expect(await json("train_results.json")).toEqual({ ...result.metrics, train_samples: 24 });
    expect(await json("predict_results.json")).toMatchObject({
      ...{ predict_rouge1: result.rouge.rouge1, predict_samples: 3 },
    });
    expect(await json("all_results.json")).toEqual({
      ...(await json("train_results.json")),
      ...(await json("eval_results.json")),
      ...(await json("predict_results.json")),
    });
    const written = await readFile(join(whole, "generated_predictions.txt"), "utf8");
    expect(written.split("\n")).toEqual(result.predictions.map((text) => text.trim()));
    const card = await readFile(join(whole, "README.md"), "utf8");
    expect(card).toContain(`- Rouge1: ${best.eval_rouge1!.toFixed(4)}`);
    expect(card).toContain("      split: validation\n");
    expect(card).toContain("{dialogue}");
    const scored = await gradloom([
      ...["evaluate", "--json", "--model", whole, "--device", "cpu", "--rows", "3"],
      ...["--max-new-tokens", "10"],
    ]);
    expect(scored.code, scored.stderr).toBe(0);
    expect((JSON.parse(scored.stdout) as Result).predictions).toEqual(result.predictions);

    const page = await readFile(join(whole, "report.html"), "utf8");
    for (const text of ["evaluation loss", "learning rate", "rougeLsum", "Samples over time"]) {
      expect(page).toContain(text);
    }
    expect(page).not.toMatch(/<script|(?:src|href)=/); // opens from disk, loads nothing

    await rm(join(whole, "checkpoint-4"), { recursive: true });
    const second = await gradloom([...flags(whole), "--resume-from-checkpoint"]);
    expect(second.code, second.stderr).toBe(0);
    const resumed = JSON.parse(second.stdout) as Result;
    expect(figures(resumed.logHistory)).toEqual(figures(result.logHistory));
    expect(resumed.predictions).toEqual(result.predictions);
    const samples = (await readFile(join(whole, "samples.jsonl"), "utf8")).trimEnd().split("\n");
    expect(samples.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([2, 4]);
  });

  it("says before training that its model cannot lie in the output folder", async () => {
    const whole = join(folder, "whole");
    const began = await gradloom(["train", "--model", whole, "--output-dir", whole]);
    expect(began.code).toBe(1);
    expect(began.stderr).toMatch(
      /^error: outputDir: must be another folder than that of the model/m,
    );
  });

  it("says before training that ROUGE needs generated summaries", async () => {
    const { code, stderr } = await gradloom([
      ...["train", "--output-dir", join(folder, "never"), "--eval-strategy", "steps"],
      ...["--metric-for-best-model", "rouge1"],
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: metricForBestModel: "rouge1" needs .* Add --predict-with-generate\.$/m,
    );
    expect(await readdir(folder)).not.toContain("never");
  });
});
