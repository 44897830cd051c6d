// The model and the rows that come with the page.

import config from "../../examples/model/config.json?url";
import generation from "../../examples/model/generation_config.json?url";
import weights from "../../examples/model/model.safetensors?url";
import tokens from "../../examples/model/special_tokens_map.json?url";
import tokenizer from "../../examples/model/tokenizer.json?url";
import tokenizerConfig from "../../examples/model/tokenizer_config.json?url";
import test from "../../examples/data/test.csv?url";
import train from "../../examples/data/train.csv?url";
import validation from "../../examples/data/validation.csv?url";

const MODEL: Readonly<Record<string, string>> = {
  "config.json": config,
  "generation_config.json": generation,
  "model.safetensors": weights,
  "special_tokens_map.json": tokens,
  "tokenizer.json": tokenizer,
  "tokenizer_config.json": tokenizerConfig,
};
const DATA: Readonly<Record<string, string>> = {
  "train.csv": train,
  "validation.csv": validation,
  "test.csv": test,
};

/** @throws {Error} when the page's own host does not answer */
export function exampleModel(signal: AbortSignal): Promise<Map<string, Blob>> {
  return fetchAll(MODEL, signal);
}

/** Rows in DialogSum's columns. @throws {Error} when the page's own host does not answer */
export function exampleData(signal: AbortSignal): Promise<Map<string, Blob>> {
  return fetchAll(DATA, signal);
}

async function fetchAll(
  addresses: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Map<string, Blob>> {
  const entries = Object.entries(addresses).map(async ([name, address]) => {
    const response = await fetch(address, { signal });
    if (!response.ok)
      throw new Error(`${name} of the example: the host answered ${response.status}.`);
    return [name, await response.blob()] as const;
  });
  return new Map(await Promise.all(entries));
}
