// From a run of the Trainer to its model card, and the card to the output folder.

import { files } from "../../tensor/files/files.ts";
import { basename, resolve } from "../../tensor/files/paths.ts";
import { isRepositoryId } from "../../hub/repository.ts";
import { warn } from "../../tensor/warnings.ts";
import { writeAtomically } from "../../tensor/writeAtomically.ts";
import type { TrainingArguments } from "../arguments/arguments.ts";
import type { Metrics } from "../speed.ts";
import type { TrainableModel } from "../trainableModel.ts";
import type { TrainerState } from "../trainerState.ts";
import { cardText, UNREAD_MARK } from "./cardText.ts";
import { byHeading, runResults } from "./history.ts";
import { hyperparameters } from "./hyperparameters.ts";
import type { CardDataset } from "./metadata.ts";

/** What a model card tells that the Trainer does not know: the arguments of transformers' create_model_card. */
export interface ModelCardOptions {
  /** ISO 639 codes, such as "en". */
  readonly language?: string | readonly string[] | undefined;
  /** By the Hub's name, such as "apache-2.0"; that of the base model is mostly the right one. */
  readonly license?: string | undefined;
  /** Besides "generated_from_trainer". */
  readonly tags?: string | readonly string[] | undefined;
  /** Default: the last name of hubModelId, else of outputDir. */
  readonly modelName?: string | undefined;
  /** Hub id of the model that training began with. Default: the model's nameOrPath, where that is no folder. */
  readonly finetunedFrom?: string | undefined;
  /** Of summarization, translation and text2text-generation. Default "text2text-generation". */
  readonly tasks?: string | readonly string[] | undefined;
  /** Hub ids of the datasets. */
  readonly datasetTags?: string | readonly string[] | undefined;
  /** Names of the datasets, for readers. Default `datasetTags`. */
  readonly dataset?: string | readonly string[] | undefined;
  /** A configuration of each dataset. */
  readonly datasetArgs?: string | readonly string[] | undefined;
  /** More of each dataset, by the Hub's keys: config, split, revision. */
  readonly datasetMetadata?: readonly Readonly<Record<string, string>>[] | undefined;
  /** Figures by transformers' names (rouge1, gen_len) of a split, in place of those of the log's last evaluation. */
  readonly results?: { readonly split: string; readonly metrics: Readonly<Metrics> } | undefined;
  /** Hub id under which others load the model. Default hubModelId, else one with ORGANISATION in place of the owner. */
  readonly usedAs?: string | undefined;
  /** What the prompts of training looked like, with {column} where a text went. */
  readonly prompt?: string | undefined;
}

/** The run that a card tells of. */
export interface CardRun {
  readonly model: TrainableModel;
  readonly args: TrainingArguments;
  readonly state: TrainerState;
  /** The processes that train together; one when left out. */
  readonly group?: { readonly size: number };
}

/**
 * The text of a model card.
 * @throws {ArgumentError} for what the Hub refuses in a card
 */
export async function modelCard(run: CardRun, options: ModelCardOptions): Promise<string> {
  const { model, args, state } = run;
  const usedAs = options.usedAs ?? args.hubModelId;
  const modelName = options.modelName ?? (await lastName(args.hubModelId ?? args.outputDir));
  const isBest = args.loadBestModelAtEnd && state.bestModelCheckpoint !== null;
  const logged = runResults(state.logHistory, isBest ? state.bestGlobalStep! : undefined);
  const given = options.results;
  const base = options.finetunedFrom ?? (await baseModel(model));
  return cardText({
    modelName,
    isAdapter: model.savedWeights?.().file.startsWith("adapter_") ?? false,
    language: list(options.language),
    license: options.license ?? null,
    ...{ baseModel: base, origin: base ?? (await folderName(model)) },
    tags: list(options.tags),
    tasks: list(options.tasks ?? "text2text-generation"),
    datasets: datasetsOf(options),
    hyperparameters: hyperparameters(args, run.group?.size ?? 1),
    lines: logged.lines,
    evaluation: given === undefined ? logged.evaluation : byHeading(given.metrics),
    split: given?.split ?? "evaluation",
    usedAs: usedAs?.includes("/") ? usedAs : `ORGANISATION/${modelName}`,
    prompt: options.prompt ?? null,
  });
}

/**
 * Writes a card as README.md of a folder: whole or not at all. One that somebody has read and made their own stays as it
 * is, and a warning says so.
 */
export async function writeModelCard(folder: string, text: string): Promise<void> {
  const path = `${folder}/README.md`;
  const there = await files.readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (there !== null && there.trim() !== "" && !there.includes(UNREAD_MARK)) {
    warn(
      `${path}: kept, because it is no card that was generated and left as it was. Delete it for a new one.`,
    );
    return;
  }
  await files.makeFolder(folder);
  await writeAtomically(path, [new TextEncoder().encode(text)]);
}

/** Names and ids go together in their order; a dataset may have either alone. */
function datasetsOf(options: ModelCardOptions): CardDataset[] {
  const ids = list(options.datasetTags);
  const names = list(options.dataset ?? options.datasetTags);
  const args = list(options.datasetArgs);
  return Array.from({ length: Math.max(ids.length, names.length) }, (_, i) => ({
    name: names[i] ?? ids[i]!,
    id: ids[i] ?? null,
    args: args[i],
    metadata: options.datasetMetadata?.[i],
  }));
}

/** As in transformers: what is a folder here is no name that others could load. */
async function baseModel({ nameOrPath }: TrainableModel): Promise<string | null> {
  if (nameOrPath === undefined || nameOrPath === null || !isRepositoryId(nameOrPath)) return null;
  const found = await files.stat(nameOrPath).catch(() => null);
  return found?.isDirectory() ? null : nameOrPath;
}

/** A path is of use on this machine alone; its last part says enough. */
async function folderName({ nameOrPath }: TrainableModel): Promise<string | null> {
  return nameOrPath ? lastName(nameOrPath) : null;
}

function lastName(path: string): string {
  const parts = path.split(/[\\/]/).filter((part) => part !== "" && part !== ".");
  const last = parts.at(-1);
  if (last !== undefined && last !== "..") return last;
  return basename(resolve(path)) || "model";
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value;
}
