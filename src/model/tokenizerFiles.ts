// The files of a tokenizer.

export const REQUIRED_FILES: readonly string[] = ["tokenizer.json"];
/** Read where they are there, and copied by `savePretrained`; spiece.model is for those who convert the model further. */
export const OPTIONAL_FILES: readonly string[] = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "spiece.model",
];
