// csv-parse where this code runs. package.json ("browser") keeps csvParserOfNode.ts out of pages' bundles.

import { isNode } from "../tensor/runtime.ts";
import type * as ofNode from "./csvParserOfNode.ts";

type CsvParser = typeof ofNode;

/** Loaded when a CSV file is read. */
export function csvParser(): Promise<CsvParser> {
  return isNode
    ? import("./csvParserOfNode.ts")
    : (import("./csvParserOfPages.ts") as unknown as Promise<CsvParser>);
}
