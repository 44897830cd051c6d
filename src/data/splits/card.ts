// The YAML heads of a dataset's README.md and .huggingface.yaml: which configurations there are
// (https://huggingface.co/docs/hub/datasets-manual-configuration).

import { DatasetError } from "../../tensor/errors.ts";

/** Files that say which files are which split. */
export const CARD_FILES = ["README.md", ".huggingface.yaml"] as const;

/** One entry of `configs`, as written. */
export interface Configuration {
  readonly name: string;
  readonly isDefault: boolean;
  /** Folder that the patterns are relative to. */
  readonly dataDir?: string;
  /** Patterns by split; undefined where names decide. */
  readonly dataFiles?: ReadonlyMap<string, readonly string[]>;
  /** Everything else: how the files are read. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface Card {
  readonly configurations: readonly Configuration[];
  /** Names below `dataset_info`; one alone is the default configuration. */
  readonly infoNames: readonly string[];
}

/**
 * @param texts contents of those of CARD_FILES that are there, by name; the keys of a later one replace those before
 * @throws {DatasetError} for YAML that cannot be read, and what is no list of configurations
 */
export async function readCard(texts: ReadonlyMap<string, string>): Promise<Card> {
  const data: Record<string, unknown> = {};
  for (const [file, text] of texts) {
    const head = file === "README.md" ? readmeHead(text) : text;
    if (head !== undefined) Object.assign(data, await parseYaml(file, head));
  }
  const { configs, dataset_info: info } = data;
  if (configs !== undefined && configs !== null && !Array.isArray(configs)) {
    throw new DatasetError(
      `README.md: configs must be a list of configurations, got ${shown(configs)}. Write "- config_name: ..." below it.`,
    );
  }
  const infos: unknown[] = Array.isArray(info) ? info : isObject(info) ? [info] : [];
  return {
    configurations: ((configs ?? []) as unknown[]).map(configuration),
    infoNames: infos.filter(isObject).map((each) => nameOf(each.config_name ?? "default")),
  };
}

/** What stands between the two lines of dashes at the top. */
export function readmeHead(text: string): string | undefined {
  return /^\uFEFF?\s*---[\r\n]+([\s\S]*?)[\r\n]+---(?:\r\n|\r|\n|$)/.exec(text)?.[1];
}

async function parseYaml(file: string, text: string): Promise<Record<string, unknown>> {
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text, { prettyErrors: false, logLevel: "error" });
  } catch (error) {
    throw new DatasetError(
      `${file}: its head must be YAML, got ${shown((error as Error).message)}. Correct it: it says which files are which split.`,
      { cause: error },
    );
  }
  if (value === null || value === undefined) return {};
  if (isObject(value)) return value;
  throw new DatasetError(`${file}: its head must hold keys and values, got ${shown(value)}.`);
}

/** YAML reads 2024 and yes as what they look like; a list or keys are no name. */
function nameOf(name: unknown): string {
  if (typeof name !== "object") return String(name);
  throw new DatasetError(`README.md: config_name must be a text, got ${shown(name)}. Correct it.`);
}

function configuration(value: unknown): Configuration {
  if (!isObject(value) || value.config_name === undefined || value.config_name === null) {
    throw new DatasetError(
      `README.md: each entry of configs must have a config_name, got ${shown(value)}. Give it one.`,
    );
  }
  const { config_name, data_files, data_dir, default: isDefault, ...parameters } = value;
  const name = nameOf(config_name);
  if (data_dir !== undefined && data_dir !== null && typeof data_dir !== "string") {
    throw new DatasetError(
      `README.md: data_dir of the configuration ${name} must be a folder, got ${shown(data_dir)}.`,
    );
  }
  return {
    ...{ name, parameters, isDefault: isDefault === true },
    ...(data_dir ? { dataDir: data_dir } : {}),
    ...(data_files === undefined || data_files === null
      ? {}
      : { dataFiles: patterns(name, data_files) }),
  };
}

/** data_files in each of its forms: a pattern, a list of them, either by split, or a list of split and path. */
function patterns(name: string, value: unknown): Map<string, readonly string[]> {
  if (isPaths(value)) return new Map([["train", [value].flat()]]);
  const pairs = Array.isArray(value) ? value.map(splitAndPath) : Object.entries(value as object);
  if (pairs.every((pair) => pair !== undefined && isPaths(pair[1]))) {
    const splits = pairs as [string, string | string[]][];
    const twice = splits.find(([split], i) => splits.findIndex(([other]) => other === split) < i);
    if (twice === undefined) return new Map(splits.map(([split, path]) => [split, [path].flat()]));
    throw new DatasetError(
      `README.md: data_files of the configuration ${name} must name each split once, got ${twice[0]} twice. List its paths below one split.`,
    );
  }
  throw new DatasetError(
    `README.md: data_files of the configuration ${name} must hold a path, a list of paths, or such for each split, got ${shown(value)}. ` +
      'Write "- split: train" and "path: train/*.csv" for each split.',
  );
}

function splitAndPath(entry: unknown): [string, unknown] | undefined {
  if (!isObject(entry) || Object.keys(entry).length !== 2 || !("split" in entry)) return undefined;
  return [String(entry.split), entry.path];
}

function isPaths(value: unknown): value is string | string[] {
  return (
    typeof value === "string" || (Array.isArray(value) && value.every((x) => typeof x === "string"))
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = (typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing")).replace(
    /\s+/g,
    " ",
  );
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
