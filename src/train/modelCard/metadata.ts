// The YAML head of a model card, as the Hub reads it (https://huggingface.co/docs/hub/model-cards): transformers' keys in
// transformers' order, within the rules by which the Hub accepts a card.

import { isRepositoryId } from "../../hub/repository.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import type { Metrics } from "../speed.ts";

/** What the head of a card tells. */
export interface CardFacts {
  readonly modelName: string;
  /** Of an adapter the library is peft. */
  readonly isAdapter: boolean;
  readonly language: readonly string[];
  readonly license: string | null;
  /** Hub id; null for a model that is not from there. */
  readonly baseModel: string | null;
  readonly tags: readonly string[];
  readonly tasks: readonly string[];
  readonly datasets: readonly CardDataset[];
  /** By heading; null without an evaluation. */
  readonly evaluation: Metrics | null;
}

/** Data that a model was trained and evaluated on. */
export interface CardDataset {
  /** What a reader calls it. */
  readonly name: string;
  /** Hub id; null for data that is not from there. */
  readonly id: string | null;
  /** Configuration, as transformers' dataset_args. */
  readonly args?: string | undefined;
  /** More of it, by the Hub's keys: config, split, revision. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** What the Hub calls the tasks of a T5. */
const TASKS: Readonly<Record<string, string>> = {
  summarization: "Summarization",
  translation: "Translation",
  "text2text-generation": "Sequence-to-sequence Language Modeling",
};

/** transformers' METRIC_TAGS; rouge stands for rouge1. */
const METRIC_TAGS = new Set([
  ...["accuracy", "bleu", "f1", "matthews_correlation", "pearsonr", "precision", "recall"],
  ...["rouge", "sacrebleu", "spearmanr", "wer"],
]);

/**
 * The head, keys in order.
 * @throws {ArgumentError} for what the Hub refuses
 */
export function cardMetadata(facts: CardFacts): Record<string, unknown> {
  checkFacts(facts);
  const metrics = metricsByTag(facts.evaluation ?? {});
  const datasets = facts.datasets.flatMap(({ id }) => id ?? []);
  return {
    library_name: facts.isAdapter ? "peft" : "transformers",
    ...listed("language", facts.language),
    ...(facts.license === null ? {} : { license: facts.license }),
    ...(facts.baseModel === null ? {} : { base_model: facts.baseModel }),
    ...listed("tags", tagsOf(facts)),
    ...listed("datasets", datasets),
    ...listed("metrics", [...metrics.keys()]),
    "model-index": [{ name: facts.modelName, results: results(facts, metrics) }],
  };
}

/** peft sorts its tags and drops all others; here those that were given stay. */
function tagsOf({ isAdapter, baseModel, tags }: CardFacts): string[] {
  if (!isAdapter) return [...new Set([...tags, "generated_from_trainer"])];
  const own = [...(baseModel === null ? [] : [`base_model:adapter:${baseModel}`]), "lora"];
  return [...new Set([...tags, ...own, "transformers"])].sort();
}

/** The figure of each metric that the Hub knows, by its tag. The Hub's JSON has no NaN. */
function metricsByTag(evaluation: Metrics): Map<string, [name: string, value: number]> {
  const found = new Map<string, [string, number]>();
  for (const [name, value] of Object.entries(evaluation)) {
    if (!Number.isFinite(value)) continue;
    const tag = name.toLowerCase().replaceAll(" ", "_");
    if (METRIC_TAGS.has(tag)) found.set(tag, [name, value]);
    else if (tag === "rouge1") found.set("rouge", [name, value]);
  }
  return found;
}

/**
 * One entry for each task and dataset. The Hub wants a type of each dataset; data that is not from the Hub has its name
 * as type, where transformers writes no entry.
 */
function results({ tasks, datasets }: CardFacts, metrics: ReturnType<typeof metricsByTag>) {
  if (metrics.size === 0) return [];
  return tasks.flatMap((task) =>
    datasets.map(({ name, id, args, metadata }) => ({
      task: { name: TASKS[task]!, type: task },
      dataset: { name, type: id ?? name, ...metadata, ...(args === undefined ? {} : { args }) },
      metrics: [...metrics].map(([tag, [metric, value]]) => ({
        ...{ name: metric, type: tag, value },
      })),
    })),
  );
}

function checkFacts({ modelName, license, baseModel, language, tasks, datasets }: CardFacts): void {
  const fail = (what: string, must: string, got: string, cure = ""): never => {
    throw new ArgumentError(`createModelCard: ${what} must be ${must}, got "${got}".${cure}`);
  };
  if (modelName.trim() === "") fail("modelName", "a text that is not empty", modelName);
  if (license !== null && !/^[a-z0-9][a-z0-9.-]*$/.test(license)) {
    const cure = ' The Hub\'s names are in small letters, "other" for one that it does not list.';
    fail("license", "a license by the Hub's name, such as apache-2.0", license, cure);
  }
  if (baseModel !== null && !isRepositoryId(baseModel)) {
    fail("finetunedFrom", "the id of a model on the Hub", baseModel, " Leave it out.");
  }
  for (const code of language) {
    if (!/^([a-z]{2,3}(-[a-z0-9]+)*|multilingual|code)$/i.test(code)) {
      fail("language", "an ISO 639 code such as en", code);
    }
  }
  for (const task of tasks) {
    if (!Object.hasOwn(TASKS, task)) fail("tasks", `of ${Object.keys(TASKS).join(", ")}`, task);
  }
  for (const { id } of datasets) {
    if (id === null || isRepositoryId(id)) continue;
    fail(
      "datasetTags",
      "ids of datasets on the Hub",
      id,
      " Give the name of local data as dataset.",
    );
  }
}

function listed(key: string, values: readonly string[]): Record<string, readonly string[]> {
  return values.length === 0 ? {} : { [key]: values };
}
