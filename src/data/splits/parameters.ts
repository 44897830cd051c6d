// How a configuration of README.md wants its files to be read: what is applied, what is refused, what does not matter.

import { DatasetError } from "../../tensor/errors.ts";

/** What is applied. */
export interface ReadParameters {
  /** Between the cells of CSV. */
  readonly delimiter?: string;
  /** Key of a JSON file whose value is the list of rows. */
  readonly field?: string;
}

/** Parameters of datasets' readers that change which rows come out, with the values that change nothing. */
const REFUSED: Readonly<Record<string, readonly unknown[]>> = {
  header: [0, "infer"],
  names: [null],
  column_names: [null],
  index_col: [null],
  usecols: [null],
  columns: [null],
  filters: [null],
  prefix: [null],
  converters: [null],
  true_values: [null],
  false_values: [null],
  skipinitialspace: [false],
  skiprows: [null, 0],
  nrows: [null],
  na_values: [null],
  keep_default_na: [true],
  na_filter: [true],
  skip_blank_lines: [true],
  thousands: [null],
  decimal: ["."],
  lineterminator: [null],
  quotechar: ['"'],
  quoting: [0],
  escapechar: [null],
  comment: [null],
  encoding: [null, "utf-8", "utf8", "UTF-8"],
  encoding_errors: [null, "strict"],
  dialect: [null],
  error_bad_lines: [true],
  on_bad_lines: ["error"],
  skipfooter: [0],
  doublequote: [true],
  date_format: [null],
  sample_by: [null, "line"],
};

/** Parameters that change no text. */
const WITHOUT_EFFECT = ["description", "version", "features", "drop_labels", "drop_metadata"].concat(
  ["engine", "low_memory", "memory_map", "float_precision", "chunksize", "verbose", "mangle_dupe_cols"],
  ["warn_bad_lines", "block_size", "use_threads", "newlines_in_values", "batch_size", "on_mixed_types"],
); // prettier-ignore

/**
 * @param name of the configuration
 * @throws {DatasetError} for parameters that would change the rows and cannot be applied
 */
export function readParameters(
  name: string,
  parameters: Readonly<Record<string, unknown>>,
): { readonly applied: ReadParameters; readonly ignored: readonly string[] } {
  const { sep, delimiter = sep, field, ...others } = parameters;
  const refuse = (key: string, value: unknown, must: string): never => {
    throw new DatasetError(
      `README.md: ${key} of the configuration ${name} must be ${must}, got ${JSON.stringify(value)}, which gradloom cannot apply. ` +
        "Convert the files, for example to JSON Lines, and take it out.",
    );
  };
  for (const [key, value] of Object.entries(others)) {
    const harmless = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined;
    if (harmless !== undefined && !harmless.includes(value)) {
      refuse(key, value, harmless.map((each) => JSON.stringify(each)).join(" or "));
    }
  }
  if (delimiter !== undefined && !(typeof delimiter === "string" && [...delimiter].length === 1)) {
    refuse("sep", delimiter, "one character");
  }
  if (field !== undefined && field !== null && typeof field !== "string") {
    refuse("field", field, "the name of a key");
  }
  return {
    applied: {
      ...(delimiter === undefined ? {} : { delimiter: delimiter as string }),
      ...(typeof field === "string" ? { field } : {}),
    },
    ignored: Object.keys(others).filter(
      (key) => !Object.hasOwn(REFUSED, key) && !WITHOUT_EFFECT.includes(key),
    ),
  };
}
