// Models: where they come from and what is known of them.

/** int8 stores matrices in 8 bits; such a model is frozen, and trains an adapter. */
export type WeightType = "f32" | "bf16" | "int8";

export interface HubAddress {
  /** Such as google/flan-t5-small. */
  readonly id: string;
  readonly revision: string;
  /** Empty for none; never stored. */
  readonly token: string;
  /** Such as https://huggingface.co. */
  readonly endpoint: string;
}

export type ModelChoice = { readonly dtype: WeightType } & (
  | { readonly from: "example" }
  | { readonly from: "hub"; readonly hub: HubAddress }
  | { readonly from: "files"; readonly files: readonly File[] }
  /** Files that were dropped before and lie in the browser's private files. */
  | { readonly from: "kept"; readonly folder: string; readonly name: string }
);

/** What can be loaded again, also by another worker. */
export type LastingModel = Exclude<ModelChoice, { readonly from: "files" }>;

export interface ModelFacts {
  /** Loads it again, without an adapter that was dropped on it: files have a place of their own by then. */
  readonly choice: LastingModel;
  /** For headings: "the example", an id, a file's name. */
  readonly name: string;
  readonly parameters: number;
  readonly layers: number;
  readonly heads: number;
  /** How its matrices are stored: int8 leaves all of them as the file has them where it can store none. */
  readonly dtype: WeightType | "f16";
  readonly hasAdapter: boolean;
}

/** Bytes of a download, or steps of other work. */
export interface LoadProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** A model that the browser keeps. */
export interface KeptModel {
  readonly key: string;
  readonly id: string;
  readonly commit: string;
  readonly bytes: number;
}
