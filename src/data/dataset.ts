// What a dataset is to the rest: splits of rows of text, and which columns are read and written.

/** One record by column name; null where a value is missing. */
export type Row = Readonly<Record<string, string | null>>;

/** One split: its columns in the order of the file, and its records. */
export interface Dataset {
  readonly features: readonly string[];
  readonly rows: readonly Row[];
}

export const SPLITS = ["train", "validation", "test"] as const;
/** The names of the splits that are read. */
export type Split = (typeof SPLITS)[number];
/** The splits of a dataset by name. */
export type DatasetDict = { readonly [S in Split]?: Dataset };

/** Which columns hold the text to read and the text to write. */
export interface Columns {
  /** Fills the place of the dialogue in the notebook's prompts; default "dialogue". */
  readonly sourceColumn?: string | undefined;
  /** What the model learns to write; default "summary". */
  readonly targetColumn?: string | undefined;
  /**
   * A prompt of one's own with `{column}` wherever a column's text goes, `{{` and `}}` for braces (as in Python's
   * str.format); replaces sourceColumn.
   */
  readonly template?: string | undefined;
}

export const DEFAULT_COLUMNS = { sourceColumn: "dialogue", targetColumn: "summary" } as const;

/** What Python prints for a DatasetDict; absent splits are left out. */
export function formatDatasetDict(dict: {
  readonly [S in Split]?: {
    readonly features: readonly string[];
    readonly rows: { readonly length: number };
  };
}): string {
  const lines = SPLITS.flatMap((split) => {
    const dataset = dict[split];
    if (dataset === undefined) return [];
    const features = dataset.features.map(pythonString).join(", ");
    return [
      `    ${split}: Dataset({`,
      `        features: [${features}],`,
      `        num_rows: ${dataset.rows.length}`,
      "    })",
    ];
  });
  return ["DatasetDict({", ...lines, "})"].join("\n");
}

/** Python's repr of a string without control characters. */
function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\");
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}
