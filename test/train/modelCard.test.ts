// Model cards: each field and section equals that of the card which transformers' Trainer wrote for the same run
// (golden/model-cards.json), and huggingface_hub takes the head where there is such a Python.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { setWarningHandler } from "../../src/tensor/warnings.ts";
import { trainingArguments } from "../../src/train/arguments/arguments.ts";
import { modelCard, writeModelCard } from "../../src/train/modelCard/modelCard.ts";
import { pythonFloat, roundedFloat } from "../../src/train/modelCard/pythonNumbers.ts";
import { TrainerState, type LogRecord } from "../../src/train/trainerState.ts";
import type { TrainingArgumentsInput } from "../../src/train/arguments/arguments.ts";
import type { ModelCardOptions } from "../../src/train/modelCard/modelCard.ts";
import { temporaryFolder } from "../support/folder.ts";
import { pythonWith, runPython } from "../support/python.ts";
import { TinyModel } from "../support/tinyModel.ts";

interface Golden {
  readonly name: string;
  readonly lora: boolean;
  readonly arguments: Readonly<Record<string, number | string>>;
  readonly log_history: LogRecord[];
  readonly card_options: Readonly<Record<string, string | string[]>>;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const goldens = JSON.parse(
  await readFile(new URL("../golden/model-cards.json", import.meta.url), "utf8"),
) as Golden[];

const camelKeys = (object: object): object =>
  Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value as unknown,
    ]),
  );

function cardOf(golden: Golden, extra: ModelCardOptions = {}): Promise<string> {
  const model = Object.assign(new TinyModel(), { nameOrPath: "google/flan-t5-small" });
  if (golden.lora) {
    const saved = { file: "adapter_model.safetensors", tensors: new Map() };
    Object.assign(model, { savedWeights: () => saved });
  }
  const args = trainingArguments({
    ...(camelKeys(golden.arguments) as TrainingArgumentsInput),
    outputDir: `runs/${golden.name}`,
  });
  const state = Object.assign(new TrainerState(), { logHistory: golden.log_history });
  return modelCard({ model, args, state }, { ...camelKeys(golden.card_options), ...extra });
}

const headOf = (card: string): Record<string, unknown> =>
  parse(/^---\n([\s\S]*?)\n---\n/.exec(card)![1]!) as Record<string, unknown>;

/** What stands below each heading, without the blank lines around it. */
function sectionsOf(card: string): Map<string, string> {
  const parts = card.slice(card.indexOf("\n---\n") + 5).split(/^(?=#+ )/m);
  return new Map(
    parts.map((part) => [/^#+ .*|/.exec(part)![0], part.replace(/^#+ .*/, "").trim()]),
  );
}

describe("a model card", () => {
  it.each(goldens)("of the run $name says what transformers' says", async (golden) => {
    const [ours, theirs] = [await cardOf(golden), golden.text];
    const { "model-index": results, ...head } = headOf(ours);
    const { "model-index": theirResults, ...theirHead } = headOf(theirs);
    expect(head).toEqual(theirHead);
    // transformers 5.17 forgot the names of T5's tasks, and so leaves their results out.
    expect(theirResults).toEqual(
      golden.name === "dialogsum" ? [{ name: "dialogsum", results: [] }] : results,
    );
    const [sections, theirSections] = [sectionsOf(ours), sectionsOf(theirs)];
    const own = ["## How to use", "### Framework versions"];
    for (const [heading, text] of theirSections) {
      if (own.includes(heading)) continue;
      expect(sections.get(heading), heading).toBe(
        text.replace("OptimizerNames.ADAMW_TORCH", "adamw_torch"),
      );
    }
    expect([...sections.keys()].filter((heading) => !own.includes(heading))).toEqual(
      [...theirSections.keys()].filter((heading) => !own.includes(heading)),
    );
  });

  it("reports the evaluation of the best model where that was loaded", async () => {
    const golden = goldens[0]!;
    const state = Object.assign(new TrainerState(), {
      ...{ logHistory: golden.log_history, bestGlobalStep: 2, bestModelCheckpoint: "a" },
    });
    const args = trainingArguments({
      ...{ outputDir: "x", loadBestModelAtEnd: true, evalStrategy: "steps", evalSteps: 500 },
    });
    const card = await modelCard({ model: new TinyModel(), args, state }, {});
    expect(sectionsOf(card).get("# x")).toContain("- Rouge1: 0.2770");
  });

  it("counts the processes that trained together", async () => {
    const args = trainingArguments({ perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 2 });
    const run = { model: new TinyModel(), args, state: new TrainerState(), group: { size: 3 } };
    const { "### Training hyperparameters": text } = Object.fromEntries(
      sectionsOf(await modelCard(run, {})),
    );
    // The order is that of transformers' extract_hyperparameters_from_trainer.
    expect(text).toContain(
      "- seed: 42\n- distributed_type: MPI\n- num_devices: 3\n- gradient_accumulation_steps: 2\n" +
        "- total_train_batch_size: 24\n- total_eval_batch_size: 24\n",
    );
  });

  it("has no result for a figure that is no number, and names local data by its name", async () => {
    const golden = goldens[2]!;
    const options = { datasetTags: [], dataset: "notes" };
    const [{ results }] = headOf(await cardOf(golden, options))["model-index"] as [
      { results: { dataset: unknown }[] },
    ];
    expect(results[0]!.dataset).toEqual({ name: "notes", type: "notes" });
    const log = golden.log_history.map((record) =>
      "eval_rouge1" in record ? { ...record, eval_rouge1: NaN } : record,
    );
    const head = headOf(await cardOf({ ...golden, log_history: log as LogRecord[] }));
    expect(head).not.toHaveProperty("metrics");
    expect(head["model-index"]).toEqual([{ name: "with-task", results: [] }]);
  });

  it.each([
    [{ license: "Apache 2.0" }, "license must be a license by the Hub's name"],
    [{ finetunedFrom: "./flan" }, "finetunedFrom must be the id of a model on the Hub"],
    [{ language: "English please" }, "language must be an ISO 639 code"],
    [{ tasks: "summarisation" }, "tasks must be of summarization, translation"],
    [{ datasetTags: "my data" }, "datasetTags must be ids of datasets on the Hub"],
    [{ modelName: " " }, "modelName must be a text that is not empty"],
  ])("is not written with %j, which the Hub refuses", async (options, message) => {
    await expect(cardOf(goldens[0]!, options)).rejects.toThrow(`createModelCard: ${message}`);
  });
});

describe("README.md", () => {
  const folder = temporaryFolder();

  it("is replaced where it is an old card, and kept where a person wrote it", async () => {
    const warnings: string[] = [];
    const before = setWarningHandler((text) => warnings.push(text));
    try {
      const output = folder();
      const card = await cardOf(goldens[0]!);
      await writeModelCard(output, "<!-- stale -->");
      const read = () => readFile(`${output}/README.md`, "utf8");
      expect(await read()).toBe("<!-- stale -->");
      await writeModelCard(output, card);
      expect(await read()).toBe("<!-- stale -->");
      expect(warnings).toEqual([expect.stringContaining("README.md: kept, because")]);
      const another = folder();
      await mkdir(another);
      await writeFile(`${another}/README.md`, await cardOf(goldens[1]!));
      await writeModelCard(another, card);
      expect(await readFile(`${another}/README.md`, "utf8")).toBe(card);
      expect(warnings).toHaveLength(1);
    } finally {
      setWarningHandler(before);
    }
  });
});

describe("numbers", () => {
  it.each([
    [5e-5, "5e-05"],
    [1.25e-7, "1.25e-07"],
    [1e-4, "0.0001"],
    [0.00012345, "0.00012345"],
    [1, "1.0"],
    [-0, "-0.0"],
    [123456789, "123456789.0"],
    [1e16, "1e+16"],
    [1e22, "1e+22"],
    [NaN, "nan"],
    [-Infinity, "-inf"],
    [-2.5e-5, "-2.5e-05"],
    [-0.00025, "-0.00025"],
  ])("%d is %s in Python", (value, text) => expect(pythonFloat(value)).toBe(text));

  it.each([
    [0.03125, "0.0312"],
    [0.09375, "0.0938"],
    [-0.03125, "-0.0312"],
    [0.12344999, "0.1234"],
    [0.1234, "0.1234"],
    [1.5e-5, "0.0000"],
    [5e-5, "5e-05"],
  ])("%d is rounded to %s", (value, text) => expect(roundedFloat(value)).toBe(text));
});

const python = pythonWith("huggingface_hub");
const title = "huggingface_hub";

describe.skipIf(!python)(python ? title : `${title} (skipped: no Python with it)`, () => {
  it("loads every card with the fields that transformers wrote", async () => {
    const cards = await Promise.all(goldens.map((golden) => cardOf(golden)));
    // Strict: a model-index that cannot be read is an error.
    const script = `
import json, os
from huggingface_hub import ModelCard
print(json.dumps([ModelCard(text).data.to_dict() for text in json.loads(os.environ["CARDS"])]))`;
    const data = (await runPython(python!, script, { CARDS: JSON.stringify(cards) })) as object[];
    const expected = goldens.map(({ name, data }) =>
      name === "dialogsum"
        ? (expect.objectContaining({
            ...data,
            "model-index": expect.anything() as unknown,
          }) as unknown)
        : data,
    );
    expect(data).toEqual(expected);
  });
});
