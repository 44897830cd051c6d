// Tensors of a checkpoint that the model has no place for: which are no news, which are named, and which say that the
// configuration is another model's.

import type { WeightFiles } from "../model/weightFiles.ts";
import { CheckpointError } from "../tensor/errors.ts";
import { warn } from "../tensor/warnings.ts";
import type { T5Config } from "./config.ts";
import { isEmbeddingName } from "./embeddingNames.ts";

/** Held by some old files and used by nobody; transformers passes it over, too. */
const OBSOLETE = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
const LATER_BIAS =
  /^(encoder|decoder)\.block\.[1-9]\d*\.layer\.0\.SelfAttention\.relative_attention_bias\.weight$/;
/** Names that a warning lists. */
const SHOWN = 6;

/**
 * Refuses a UMT5 that calls itself something else: without the position biases of its later blocks it would be wrong.
 * @throws {CheckpointError} naming the first of them
 */
export function checkVariant(checkpoint: WeightFiles, { modelType }: T5Config): void {
  if (modelType === "umt5") return;
  const found = [...checkpoint.names.keys()].find((name) => LATER_BIAS.test(name));
  if (found === undefined) return;
  throw new CheckpointError(
    `${checkpoint.source}: a ${modelType} must have position biases in block 0 alone, got ${found}, as UMT5 has. ` +
      'If it is a UMT5, correct model_type in config.json, or override it with { config: { model_type: "umt5" } }.',
  );
}

/** The names of a file's tensors that are neither read nor known to be superfluous, in the order of the file. */
export function unusedTensors(
  checkpoint: WeightFiles,
  isRead: (name: string) => boolean,
): string[] {
  const isKnown = (name: string) => isRead(name) || isEmbeddingName(name) || name === OBSOLETE;
  return [...checkpoint.names.keys()].filter((name) => !isKnown(name));
}

/** One line about them, if there are any. */
export function warnOfUnused({ source }: WeightFiles, unused: readonly string[]): void {
  if (unused.length === 0) return;
  const shown = unused.slice(0, SHOWN).join(", ");
  const more = unused.length > SHOWN ? ` and ${unused.length - SHOWN} more` : "";
  warn(
    `${source}: not used, because the model of config.json has no such ${unused.length === 1 ? "tensor" : "tensors"}: ${shown}${more}. ` +
      "Do config.json and the weights belong together?",
  );
}
