// The files of a tokenizer: which there are, and tokenizer.json made of spiece.model where there is only that.

import type { RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import type { ModelFolder } from "./modelFolder.ts";
import { toTokenizerJson } from "./sentencepiece/toTokenizerJson.ts";

const TOKENIZER = "tokenizer.json";
const CONFIG = "tokenizer_config.json";
/** The SentencePiece model, of which a slow tokenizer is made. */
const SPIECE = "spiece.model";
const SPECIAL_TOKENS = "special_tokens_map.json";
const ADDED_TOKENS = "added_tokens.json";

/** Also copied by `savePretrained`: the slow tokenizer's files, for those who convert the model further. */
const OPTIONAL_FILES = [SPECIAL_TOKENS, ADDED_TOKENS, SPIECE];

/** Where both are there, tokenizer.json decides. */
export function tokenizerFiles({ names }: Pick<RepositoryFiles, "names">): WantedFiles {
  if (names.includes(TOKENIZER) || !names.includes(SPIECE)) {
    return { required: [TOKENIZER, CONFIG], optional: OPTIONAL_FILES };
  }
  return { required: [SPIECE], optional: [CONFIG, SPECIAL_TOKENS, ADDED_TOKENS] };
}

/**
 * The tokenizer's files by name, tokenizer.json and tokenizer_config.json among them.
 * @throws {TokenizerError} when one is missing or cannot be used
 */
export async function readTokenizerFiles(folder: ModelFolder): Promise<Map<string, Uint8Array>> {
  const { required, optional = [] } = tokenizerFiles({ names: folder.files });
  for (const file of required) {
    folder.require(file, "Download the tokenizer's files too: tokenizer.json, or spiece.model.");
  }
  const files = new Map<string, Uint8Array>();
  for (const file of [...required, ...optional]) {
    if (folder.has(file)) files.set(file, await folder.bytes(file));
  }
  return files.has(TOKENIZER) ? files : await convert(folder, files);
}

async function convert(
  folder: ModelFolder,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const json = (file: string) => (files.has(file) ? folder.parse(file, files.get(file)!) : {});
  const configs = { config: json(CONFIG), map: json(SPECIAL_TOKENS), added: json(ADDED_TOKENS) };
  const path = (file: string) => folder.path(file);
  const { tokenizer, warnings } = await toTokenizerJson(path, SPIECE, files.get(SPIECE)!, configs);
  for (const warning of warnings) console.warn(`warning: ${warning}`);
  const bytes = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  return new Map([
    [TOKENIZER, bytes(tokenizer)],
    [CONFIG, files.get(CONFIG) ?? bytes({ tokenizer_class: "T5Tokenizer" })],
    ...files,
  ]);
}
