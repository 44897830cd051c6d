// Flags of transformers' run_summarization.py that are no training arguments and have no counterpart here.

import { Option } from "commander";
import { toKebabCase } from "../../fields/names.ts";
import { flag, nonEmptyText, whole } from "../../fields/rules.ts";
import type { OtherArgument } from "../../train/arguments/otherArguments.ts";
import { takeOther } from "../../train/arguments/takeOther.ts";

const ONE_TOKENIZER = "there is one tokenizer, equal to the fast one";

const SCRIPT_FLAGS: Readonly<Record<string, OtherArgument>> = {
  configName: {
    ...{ rule: nonEmptyText, fate: "refused", nothing: () => false },
    because: "a model is loaded with its own configuration",
    cure: "Put the config.json into the model's folder.",
  },
  useFastTokenizer: { rule: flag, fate: "ignored", because: ONE_TOKENIZER },
  useSlowTokenizer: { rule: flag, fate: "ignored", because: ONE_TOKENIZER },
  trustRemoteCode: { rule: flag, fate: "ignored", because: "no code of a repository is run" },
  resizePositionEmbeddings: {
    ...{ rule: flag, fate: "ignored", because: "T5 has no position embeddings" },
  },
  preprocessingNumWorkers: {
    ...{ rule: whole(0), fate: "ignored", because: "rows are tokenised in one process, and kept" },
  },
  padToMaxLength: {
    ...{ rule: flag, fate: "refused", nothing: (value) => value === false },
    because: "a batch is as long as its longest row",
    cure: "--faithful pads to --max-length, labels with 0.",
  },
  ignorePadTokenForLoss: {
    ...{ rule: flag, fate: "refused", nothing: (value) => value === true },
    because: "padding takes no part in the loss",
    cure: "--faithful pads labels with 0, which do.",
  },
  forcedBosToken: {
    ...{ rule: nonEmptyText, fate: "refused", nothing: () => false },
    because: "it is for models of many languages",
    cure: "Set forced_bos_token_id in --generation-config.",
  },
  lang: {
    ...{ rule: nonEmptyText, fate: "refused", nothing: () => false },
    because: "it is for models of many languages",
    cure: "Leave it out.",
  },
};

/** --help does not list them. */
export function scriptOptions(): Option[] {
  return Object.keys(SCRIPT_FLAGS).map((name) =>
    new Option(`--${toKebabCase(name)} [value]`).hideHelp(),
  );
}

/** @throws {ArgumentError} for a flag that asks for what is not done here */
export function takeScriptFlags(flags: Readonly<Record<string, unknown>>): void {
  const given = Object.entries(SCRIPT_FLAGS)
    .filter(([name]) => flags[name] !== undefined)
    .map(([name, { rule }]) => {
      const value = flags[name];
      return [name, typeof value === "string" ? rule.read(value) : value];
    });
  takeOther(Object.fromEntries(given) as Record<string, unknown>, SCRIPT_FLAGS, "train");
}
