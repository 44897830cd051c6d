// Which files of a folder or repository are read for which split: by save_to_disk's own lists, by the configurations of
// README.md, by the Hub's branch of converted files, else by names.

import { DatasetError } from "../../tensor/errors.ts";
import { delimiterOf, formatOf, isDataFile, type Format } from "../files/dataFormat.ts";
import { CARD_FILES, readCard } from "./card.ts";
import { chooseConfiguration, filesOf } from "./configuration.ts";
import { findLayout, readableFiles, type Layout } from "./layout.ts";
import { readParameters, type ReadParameters } from "./parameters.ts";
import { isSavedDataset, savedSplits } from "./savedDataset.ts";
import { withStandardNames } from "./splitNames.ts";

/** A file of a split, and how it is read. */
export interface DataFile {
  /** Path with slashes. */
  readonly name: string;
  /** Undefined for an archive, whose members tell it. */
  readonly format: Format | undefined;
  /** Between the cells of CSV. */
  readonly delimiter: string;
  /** Key of a JSON file whose value is the list of rows. */
  readonly field: string | undefined;
}

/** The files of every split by its name; train, validation and test, and others. */
export type SplitFiles = ReadonlyMap<string, readonly DataFile[]>;

/** What splits are found in. */
export interface Listing {
  /** Paths with slashes of every file. */
  readonly names: readonly string[];
  /** The text of one of them. */
  text(name: string): Promise<string>;
}

/** How a dataset is narrowed down. */
export interface Choice {
  /** Configuration of README.md. */
  readonly datasetConfig?: string | undefined;
  /** Of a repository on the Hub. */
  readonly revision?: string | undefined;
}

/** Where the Hub keeps datasets as Parquet: <configuration>/<split>/0000.parquet. */
export const CONVERTED = "refs/convert/parquet";

interface Found extends Layout {
  readonly parameters?: ReadParameters;
}

/**
 * @returns the files by split, none where no file holds rows; and sentences that the user should read
 * @throws {DatasetError} when a configuration must be chosen or does not exist, or README.md says what cannot be done
 */
export async function findSplits(
  listing: Listing,
  choice: Choice,
): Promise<{ readonly splits: SplitFiles; readonly remarks: readonly string[] }> {
  const { splits, remarks, parameters } = await locate(listing, choice);
  const dataFile = (name: string): DataFile => ({
    name,
    format: formatOf(name),
    delimiter: parameters?.delimiter ?? delimiterOf(name),
    field: parameters?.field,
  });
  return {
    remarks,
    splits: new Map([...splits].map(([split, files]) => [split, files.map(dataFile)])),
  };
}

async function locate(
  { names, text }: Listing,
  { datasetConfig, revision }: Choice,
): Promise<Found> {
  if (isSavedDataset(names)) {
    return { splits: withStandardNames(await savedSplits(names, text)), remarks: [] };
  }
  const texts = new Map<string, string>();
  for (const file of CARD_FILES) if (names.includes(file)) texts.set(file, await text(file));
  const { configurations, infoNames } = await readCard(texts);
  if (configurations.length > 0) {
    const chosen = chooseConfiguration(configurations, infoNames, datasetConfig);
    const { applied, ignored } = readParameters(chosen.name, chosen.parameters);
    const { splits, remarks } = filesOf(names, chosen);
    const unknown = `README.md: ${ignored.join(", ")} of the configuration ${chosen.name} has no effect`;
    return {
      splits,
      remarks: ignored.length > 0 ? [...remarks, unknown] : remarks,
      parameters: applied,
    };
  }
  if (revision === CONVERTED) return convertedSplits(names, datasetConfig);
  if (datasetConfig !== undefined && datasetConfig !== "default") {
    throw new DatasetError(
      `README.md must have a configuration ${datasetConfig}, got none of any name. Leave out --dataset-config (option datasetConfig).`,
    );
  }
  return findLayout(names);
}

/** Of the branch of converted files: the first folder is a configuration, the second a split. */
function convertedSplits(names: readonly string[], datasetConfig: string | undefined): Layout {
  const configurations = new Map<string, Map<string, string[]>>();
  for (const name of names.filter(isDataFile).sort()) {
    const [configuration, split, file] = name.split("/");
    if (file === undefined) continue;
    const splits = configurations.get(configuration!) ?? new Map<string, string[]>();
    splits.set(split!, [...(splits.get(split!) ?? []), name]);
    configurations.set(configuration!, splits);
  }
  if (configurations.size === 0) return findLayout(names);
  const named = [...configurations.keys()].map((name) => ({ name, isDefault: false }));
  const splits = configurations.get(chooseConfiguration(named, [], datasetConfig).name)!;
  const remarks: string[] = [];
  const whole = new Map<string, readonly string[]>();
  for (const [name, files] of splits) {
    // The Hub converts the first 5 GB of a long split and says so in its name.
    const split = name.replace(/^partial-/, "");
    if (split === name) whole.set(name, files);
    else if (!splits.has(split)) {
      whole.set(split, files);
      remarks.push(`${split} is only the part of the split that the Hub has converted (${name})`);
    }
  }
  const { splits: read } = readableFiles(withStandardNames(whole));
  return { splits: read, remarks };
}
