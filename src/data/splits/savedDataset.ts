// Folders of datasets' save_to_disk: Arrow files, and JSON files that say which (what load_from_disk reads).

import { DatasetError } from "../../tensor/errors.ts";
import { parseJson } from "../../tensor/json.ts";
import type { SplitNames } from "./layout.ts";

/** Says which splits a saved DatasetDict has, each a folder. */
const DICT = "dataset_dict.json";
/** Says which Arrow files a saved Dataset has. */
const STATE = "state.json";

/** Whether a folder was written by save_to_disk. */
export function isSavedDataset(names: readonly string[]): boolean {
  const isArrow = names.some((name) => name.endsWith(".arrow"));
  return isArrow && (names.includes(DICT) || names.includes(STATE));
}

/**
 * The Arrow files of each split.
 * @param text reads one of the names
 * @throws {DatasetError} for JSON files that are not save_to_disk's, and Arrow files that are not there
 */
export async function savedSplits(
  names: readonly string[],
  text: (name: string) => Promise<string>,
): Promise<SplitNames> {
  if (!names.includes(DICT)) {
    const { split, files } = await savedFiles("", names, text);
    return new Map([[split ?? "train", files]]);
  }
  const { splits } = await json(DICT, text);
  if (!isTexts(splits)) throw notSaved(DICT, "splits");
  const found = new Map<string, readonly string[]>();
  for (const split of splits) found.set(split, (await savedFiles(`${split}/`, names, text)).files);
  return found;
}

async function savedFiles(
  folder: string,
  names: readonly string[],
  text: (name: string) => Promise<string>,
) {
  const place = folder + STATE;
  if (!names.includes(place)) throw missing(place, names);
  const { _data_files: listed, _split: split } = await json(place, text);
  const files = Array.isArray(listed)
    ? listed.map((file: unknown) => (file as { filename?: unknown } | null)?.filename)
    : undefined;
  if (!isTexts(files)) throw notSaved(place, "_data_files");
  const paths = files.map((file) => folder + file);
  const absent = paths.find((path) => !names.includes(path));
  if (absent !== undefined) throw missing(absent, names);
  return { split: typeof split === "string" ? split : undefined, files: paths };
}

async function json(
  name: string,
  text: (name: string) => Promise<string>,
): Promise<Record<string, unknown>> {
  try {
    const value = parseJson(await text(name));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw notSaved(name, "an object");
}

function notSaved(name: string, key: string): DatasetError {
  return new DatasetError(
    `${name} of a folder written by save_to_disk must hold ${key}, got something else. Save the dataset again.`,
  );
}

function missing(name: string, names: readonly string[]): DatasetError {
  const shown = names.slice(0, 12).join(", ");
  return new DatasetError(
    `a folder written by save_to_disk must hold ${name}, got ${shown}. Copy the whole folder, or save the dataset again.`,
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
