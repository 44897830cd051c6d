// The files of a tokenizer: which there are, and which are read.

import type { RepositoryFiles, WantedFiles } from "../hub/snapshot.ts";
import type { ModelFolder } from "./modelFolder.ts";
import { convertSpiece } from "./spieceFile.ts";

const TOKENIZER = "tokenizer.json";
/** The SentencePiece model: all that many repositories have. */
const SPIECE = "spiece.model";
const CONFIGURATION = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/** The file that holds the vocabulary. */
export function sourceFile(names: readonly string[]): string {
  return !names.includes(TOKENIZER) && names.includes(SPIECE) ? SPIECE : TOKENIZER;
}

/**
 * tokenizer.json, or spiece.model where there is only that. The others are read where they are there and copied by
 * `savePretrained`, also a spiece.model beside tokenizer.json, for those who convert the model further.
 */
export function tokenizerFiles({ names }: Pick<RepositoryFiles, "names">): WantedFiles {
  return sourceFile(names) === SPIECE
    ? { required: [SPIECE], optional: CONFIGURATION }
    : { required: [TOKENIZER], optional: [...CONFIGURATION, SPIECE] };
}

/**
 * The tokenizer's files by name. tokenizer.json is always among them: it is made of spiece.model where there is only that.
 * @throws {TokenizerError} when there is neither, or spiece.model cannot be used
 */
export async function readTokenizerFiles(folder: ModelFolder): Promise<Map<string, Uint8Array>> {
  const { required, optional = [] } = tokenizerFiles({ names: folder.files });
  for (const file of required) {
    folder.require(file, "Download the tokenizer's files too: tokenizer.json or spiece.model.");
  }
  const files = new Map<string, Uint8Array>();
  for (const file of [...required, ...optional]) {
    if (folder.has(file)) files.set(file, await folder.bytes(file));
  }
  if (files.has(TOKENIZER)) return files;
  return new Map([...(await convertSpiece(folder, SPIECE, files)), ...files]);
}
