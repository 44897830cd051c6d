// What the worker has: a device, a model on it, and the rows to train on.

import type { Device, HubOptions, T5ForConditionalGeneration, Tokenizer } from "gradloom";
import type { DataChoice } from "../protocol/data.ts";
import type { ModelChoice, ModelFacts } from "../protocol/model.ts";

export interface LoadedModel {
  readonly model: T5ForConditionalGeneration;
  readonly tokenizer: Tokenizer;
  /** Where it can be loaded from again, after a reload too. */
  readonly choice: ModelChoice;
  readonly facts: ModelFacts;
  /** Whether a run has changed its weights, or gave it an adapter. */
  isTrained: boolean;
}

export interface LoadedData {
  readonly name: string;
  /** A folder of the browser's private files, or an id of the Hub. */
  readonly source: string;
  readonly options: HubOptions;
  /** Where they can be read from again, after a reload too. */
  readonly choice: DataChoice;
  /** Rows to train on, incomplete ones among them. */
  readonly trainRows: number;
}

interface Session {
  device: Device | null;
  loaded: LoadedModel | null;
  data: LoadedData | null;
}

export const session: Session = { device: null, loaded: null, data: null };

/** @throws {Error} before a device is open */
export function theDevice(): Device {
  if (session.device === null) throw new Error("No device is open yet. Reload the page.");
  return session.device;
}

/** @throws {Error} before a model is loaded */
export function theModel(): LoadedModel {
  if (session.loaded === null)
    throw new Error("No model is loaded. Load one in the section Model.");
  return session.loaded;
}
