// Which format a file has by its name. As `datasets` does, every part of a name behind a dot counts: train.jsonl.gz,
// talks.csv.part1.

/** What the rows of a file are written in. */
export type Format = "csv" | "json" | "parquet" | "arrow";

export const FORMATS: Readonly<Record<string, Format>> = {
  csv: "csv",
  tsv: "csv",
  json: "json",
  jsonl: "json",
  ndjson: "json",
  parquet: "parquet",
  geoparquet: "parquet",
  gpq: "parquet",
  arrow: "arrow",
};

/** Other tables and texts that datasets reads. They count when splits are looked for, and are refused by name. */
export const NOT_READ = [
  "txt",
  "conll",
  "conllu",
  "tar",
  "xml",
  "hdf5",
  "h5",
  "eval",
  "lance",
  "tsfile",
];

/** Files of these names hold no rows (datasets' FILES_TO_IGNORE). */
const IGNORED = [
  "README.md",
  "config.json",
  "dataset_info.json",
  "dataset_infos.json",
  "dummy_data.zip",
  "dataset_dict.json",
];

/** Which of two formats as frequent as each other is taken, best first. */
const FAVOURITES = ["parquet", "arrow", "jsonl", "json", "csv"];

/** Whether a file may hold rows, also in a format that is not read. */
export function isDataFile(name: string): boolean {
  return (
    !IGNORED.includes(baseName(name)) &&
    suffixes(name).some(
      (suffix) => Object.hasOwn(FORMATS, suffix) || NOT_READ.includes(suffix) || suffix === "zip",
    )
  );
}

/** Whether the rows of a file can be read. */
export function isReadable(name: string): boolean {
  return suffixes(name).some((suffix) => Object.hasOwn(FORMATS, suffix) || suffix === "zip");
}

/** The format that a name tells; undefined for an archive, whose members tell it. */
export function formatOf(name: string): Format | undefined {
  return suffixes(name).flatMap((suffix) =>
    Object.hasOwn(FORMATS, suffix) ? FORMATS[suffix]! : [],
  )[0];
}

/** What stands between two cells of a CSV file. */
export function delimiterOf(name: string): string {
  return suffixes(name).find((suffix) => suffix === "csv" || suffix === "tsv") === "tsv"
    ? "\t"
    : ",";
}

/**
 * Those files of a split that are read together: the ones in its most frequent format (for as many, Parquet before Arrow
 * before JSON Lines before JSON before CSV), and archives.
 */
export function ofOneFormat(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const suffix of names.flatMap(suffixes)) {
    if (Object.hasOwn(FORMATS, suffix)) counts.set(suffix, (counts.get(suffix) ?? 0) + 1);
  }
  const rank = (suffix: string): number =>
    FAVOURITES.includes(suffix) ? -FAVOURITES.indexOf(suffix) : -FAVOURITES.length;
  const [best] = [...counts].sort(
    ([a, m], [b, n]) => n - m || rank(b) - rank(a) || (a < b ? 1 : -1),
  );
  const format = best === undefined ? undefined : FORMATS[best[0]];
  return names.filter(
    (name) =>
      suffixes(name).includes("zip") ||
      (format !== undefined && suffixes(name).some((suffix) => FORMATS[suffix] === format)),
  );
}

export function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function suffixes(name: string): string[] {
  return baseName(name).toLowerCase().split(".").slice(1);
}
