// The files of a tokenizer.

export const REQUIRED_FILES: readonly string[] = ["tokenizer.json", "tokenizer_config.json"];
/** Also copied by `savePretrained`: the slow tokenizer's files, for those who convert the model further. */
export const OPTIONAL_FILES: readonly string[] = [
  "special_tokens_map.json",
  "added_tokens.json",
  "spiece.model",
];
