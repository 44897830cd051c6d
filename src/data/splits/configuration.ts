// Which configuration of a dataset is read, and which files it names for each split.

import { DatasetError } from "../../tensor/errors.ts";
import { isDataFile } from "../files/dataFormat.ts";
import type { Configuration } from "./card.ts";
import { glob, hasMagic } from "./globPattern.ts";
import { findLayout, readableFiles, type Layout } from "./layout.ts";
import { withStandardNames } from "./splitNames.ts";

/**
 * The configuration of that name; without a name the only one, the one called default, or the one marked as default.
 * @throws {DatasetError} with the names where one must be chosen, or when there is none of that name
 */
export function chooseConfiguration<
  T extends { readonly name: string; readonly isDefault: boolean },
>(configurations: readonly T[], infoNames: readonly string[], wanted: string | undefined): T {
  const names = configurations.map(({ name }) => name);
  const cure = "Choose one with --dataset-config (option datasetConfig).";
  if (wanted !== undefined) {
    const found = configurations.find(({ name }) => name === wanted);
    if (found) return found;
    throw new DatasetError(`the configuration must be ${oneOf(names)}, got ${wanted}. ${cure}`);
  }
  const isDefault = ({ name, isDefault }: T): boolean =>
    configurations.length === 1 || name === "default" || isDefault;
  const [found, another] = configurations.filter(isDefault);
  if (another) {
    throw new DatasetError(
      `one configuration must be the default, got ${found!.name} and ${another.name}. ${cure}`,
    );
  }
  const only = infoNames.length === 1 ? names.indexOf(infoNames[0]!) : -1;
  const chosen = found ?? configurations[only];
  if (chosen) return chosen;
  throw new DatasetError(
    `a configuration must be chosen among ${names.join(", ")}, got none. ${cure}`,
  );
}

/**
 * The files of a configuration by split.
 * @param names paths with slashes of every file
 * @throws {DatasetError} for patterns that match nothing or lead out of the folder
 */
export function filesOf(
  names: readonly string[],
  { name, dataDir, dataFiles }: Configuration,
): Layout {
  const base = dataDir === undefined ? "" : inside(name, dataDir, "");
  if (dataFiles === undefined) {
    const prefix = base === "" ? "" : `${base}/`;
    const below = names.filter((file) => file.startsWith(prefix));
    const { splits, remarks } = findLayout(below.map((file) => file.slice(prefix.length)));
    const whole = [...splits].map(
      ([split, files]) => [split, files.map((file) => prefix + file)] as const,
    );
    return { splits: new Map(whole), remarks };
  }
  const splits = [...dataFiles].map(([split, patterns]) => {
    const files = new Set(
      patterns.flatMap((pattern) => resolve(names, name, inside(name, pattern, base))),
    );
    if (files.size > 0) return [split, [...files]] as const;
    throw new DatasetError(
      `data_files of the configuration ${name} must match files for the split ${split}, got none for ${patterns.join(", ")}. ` +
        "Get those files, or correct the head of README.md.",
    );
  });
  return readableFiles(withStandardNames(new Map(splits)));
}

function resolve(names: readonly string[], name: string, pattern: string): readonly string[] {
  if (hasMagic(pattern)) return glob(names, pattern).filter(isDataFile);
  if (names.includes(pattern)) return [pattern];
  throw new DatasetError(
    `data_files of the configuration ${name} must name files that are there, got ${pattern}. ` +
      "Get that file, or correct the head of README.md.",
  );
}

/** The path from the folder of the dataset, without . and .. parts. */
function inside(name: string, path: string, base: string): string {
  const parts: string[] = base === "" ? [] : base.split("/");
  let isOutside = /^([A-Za-z][A-Za-z0-9+.-]*:|\/|\\|~)/.test(path);
  for (const part of path.split("/")) {
    if (part === "..") isOutside ||= parts.pop() === undefined;
    else if (part !== "." && part !== "") parts.push(part);
  }
  if (!isOutside) return parts.join("/");
  throw new DatasetError(
    `data_files of the configuration ${name} must lie in the dataset's own folder, got ${path}. ` +
      "Download that file into the folder and name it there.",
  );
}

function oneOf(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `one of ${names.join(", ")}`;
}
