// Rows to train on.

import type { HubAddress } from "./model.ts";

export type DataChoice =
  | { readonly from: "example" }
  | { readonly from: "files"; readonly files: readonly File[] }
  /** Files that were dropped before and lie in the browser's private files. */
  | { readonly from: "kept"; readonly folder: string; readonly name: string }
  | { readonly from: "hub"; readonly hub: HubAddress };

/** What can be read again, also by another worker. */
export type LastingData = Exclude<DataChoice, { readonly from: "files" }>;

export interface ColumnMapping {
  /** What the model reads. */
  readonly source: string;
  /** What it learns to write. */
  readonly target: string;
}

export interface DataPreview {
  /** Reads them again: files have a place of their own by then. */
  readonly choice: LastingData;
  readonly name: string;
  readonly splits: readonly { readonly name: string; readonly rows: number }[];
  readonly columns: readonly string[];
  /** The first ones of the training split. */
  readonly rows: readonly Readonly<Record<string, string | null>>[];
  readonly suggested: ColumnMapping;
}
