// Where the files of a dataset's splits lie: in a folder, or in the cache once they were fetched from the Hub.

import { files } from "../tensor/files/files.ts";
import type { FolderEntry } from "../tensor/files/fileStore.ts";
import { basename, dirname, join } from "../tensor/files/paths.ts";
import type { HubOptions } from "../hub/options.ts";
import { isRepositoryId } from "../hub/repository.ts";
import type { Choose, RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import { DatasetError, HubError } from "../tensor/errors.ts";
import { SPLITS } from "./dataset.ts";
import { delimiterOf, formatOf, isDataFile } from "./files/dataFormat.ts";
import { CARD_FILES } from "./splits/card.ts";
import { CONVERTED, findSplits, type Listing, type SplitFiles } from "./splits/findSplits.ts";
import { warn } from "../tensor/warnings.ts";

export interface LocatedSplits {
  /** That the names of files are relative to. */
  readonly folder: string;
  /** At least one of train, validation and test. */
  readonly splits: SplitFiles;
}

type Found = Awaited<ReturnType<typeof findSplits>>;
type Options = HubOptions & { readonly datasetConfig?: string | undefined };

/**
 * Finds the files of every split, and fetches those of a repository that the cache lacks. What a user might expect to be
 * read and is not goes to stderr.
 * @throws {DatasetError | HubError} as `loadDataset`
 */
export async function locateSplits(source: string, options: Options): Promise<LocatedSplits> {
  const single = await singleFile(source);
  if (single) return single;
  let remote: Found | undefined;
  const choose = async ({ names, text }: RepositoryFiles): Promise<WantedFiles> => {
    remote = await splitsOf(source, { names, text }, options);
    const { splits } = remote;
    if (!hasStandard(splits)) throw notInRepository(names, splits);
    const wanted = SPLITS.flatMap((split) => splits.get(split) ?? []);
    return { required: wanted.map(({ name }) => name), optional: CARD_FILES, dependsOnAll: true };
  };
  const isId = isRepositoryId(source);
  const folder = isId ? await ofHub(source, choose, options) : source;
  if (remote !== undefined) return { folder, splits: remarked(source, remote) };
  const names = await listFiles(folder);
  const text = (name: string): Promise<string> => files.readText(join(folder, name));
  const taken = isId
    ? ` The local folder ${source} was taken, not the Hub's repository of that name.`
    : "";
  const splits = remarked(source, await splitsOf(source, { names, text }, options, taken));
  if (hasStandard(splits)) return { folder, splits };
  throw new DatasetError(
    `loadDataset: ${source} must hold train.csv, validation.csv (or dev.csv) or test.csv, or the same as .tsv, .jsonl, .json, .parquet or .arrow, got ` +
      `${got(names, splits)}. Rename the splits or name another folder.${taken}`,
  );
}

async function ofHub(name: string, choose: Choose, options: HubOptions): Promise<string> {
  const { locate } = await import("../hub/locate.ts"); // only who names a repository needs it
  return locate({ type: "dataset", name }, choose, options);
}

/** A file named by itself is the split train, whatever its name. */
async function singleFile(source: string): Promise<LocatedSplits | undefined> {
  const status = await files.stat(source).catch(() => undefined);
  if (!status?.isFile() || !isDataFile(source)) return undefined;
  const name = basename(source);
  const file = { name, format: formatOf(name), delimiter: delimiterOf(name), field: undefined };
  return { folder: dirname(source), splits: new Map([["train", [file]]]) };
}

async function splitsOf(
  source: string,
  listing: Listing,
  options: Options,
  hint = "",
): Promise<Found> {
  try {
    return await findSplits(listing, options);
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    throw new DatasetError(`loadDataset: ${source}: ${error.message}${hint}`, { cause: error });
  }
}

function remarked(source: string, { splits, remarks }: Found): SplitFiles {
  for (const remark of remarks) warn(`${source}: ${remark}.`);
  return splits;
}

function hasStandard(splits: SplitFiles): boolean {
  return SPLITS.some((split) => splits.has(split));
}

function got(names: readonly string[], splits: SplitFiles): string {
  if (splits.size > 0) return `the splits ${[...splits.keys()].join(", ")}`;
  const rows = names.filter(isDataFile);
  return shortList(rows.length > 0 ? rows : names) || "no csv file";
}

function notInRepository(names: readonly string[], splits: SplitFiles): HubError {
  const there = splits.size > 0 ? got(names, splits) : shortList(names) || "no file";
  const script = names.find((name) => /^[^/]+\.py$/.test(name));
  const cure =
    script === undefined
      ? "Look for another repository, or download it and rename its files."
      : `${script} builds this dataset, and scripts are not run: take the revision ${CONVERTED} (--dataset-revision), where the Hub keeps converted files.`;
  return new HubError(
    "missing",
    `the repository must hold train, validation or test files as .csv, .jsonl or .parquet, got ${there}. ${cure}`,
  );
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(", ");
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}

async function listFiles(dir: string): Promise<string[]> {
  try {
    return (await filesBelow(dir, [await files.realpath(dir)])).sort();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const actual =
      code === "ENOENT" ? "nothing there" : code === "ENOTDIR" ? "a file" : String(code);
    throw new DatasetError(
      `loadDataset: the dataset must be a folder with train.csv, validation.csv and test.csv, or one file of rows, got ${dir} (${actual}). ` +
        "Check the path. A Hub id reads organisation/name, as knkarthick/dialogsum.",
      { cause: error },
    );
  }
}

/** Names of files with slashes, at any depth. @param above real paths of the folders around it: links may lead back */
async function filesBelow(dir: string, above: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await files.entries(dir)) {
    const place = join(dir, entry.name);
    const kind = await kindOf(place, entry);
    if (kind === "file") names.push(entry.name);
    if (kind !== "folder" || entry.name === ".git") continue;
    const real = await files.realpath(place);
    if (above.includes(real)) continue;
    for (const name of await filesBelow(place, [...above, real]))
      names.push(`${entry.name}/${name}`);
  }
  return names;
}

async function kindOf(path: string, entry: FolderEntry): Promise<"file" | "folder" | undefined> {
  // A link may lead nowhere.
  const target = entry.isSymbolicLink() ? await files.stat(path).catch(() => undefined) : entry;
  return target?.isDirectory() ? "folder" : target?.isFile() ? "file" : undefined;
}
