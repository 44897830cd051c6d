// Every key of adapter_config.json that peft 0.21 writes, and what becomes of it here. docs/guide/lora.md shows the same
// table to users; test/t5/lora/adapterKeys.test.ts compares the two.

import type { JsonObject } from "../../model/jsonFields.ts";
import { warn } from "../../tensor/warnings.ts";
import { isUnset, LORA_FIELDS } from "./configRules.ts";
import { HEAD, isAllLinear, matches } from "./moduleNames.ts";
import type { LoraOptions } from "./options.ts";

/** Makes the error for a key. */
export type WrongKey = (key: string, must: string, got: unknown) => Error;

/** Of a key that is not applied: whether a value that is set is refused, or changes nothing here. */
export type KeyUse = "applied" | "ignored" | "refused";

/** The head and the embeddings, by their modules. */
const TIED = [HEAD, "shared", "encoder.embed_tokens", "decoder.embed_tokens"];

const IGNORED = [
  "auto_mapping",
  "corda_config",
  "eva_config",
  "fan_in_fan_out",
  "inference_mode",
  "loftq_config",
  "lora_ga_config",
  "megatron_config",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "runtime_config",
] as const;

/** Keys by which peft computes something else than LoRA, or trains what is not trained here. */
const REFUSED = [
  "alora_invocation_tokens",
  "arrow_config",
  "kasa_config",
  "layer_replication",
  "lora_bias",
  "monteclora_config",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "use_dora",
  "use_qalora",
  "velora_config",
] as const;

export const ADAPTER_KEYS: ReadonlyMap<string, KeyUse> = new Map<string, KeyUse>([
  ["peft_type", "applied"],
  ["ensure_weight_tying", "refused"],
  ...Object.values(LORA_FIELDS).map(({ key }) => [key, "applied"] as const),
  ...IGNORED.map((key) => [key, "ignored"] as const),
  ...REFUSED.map((key) => [key, "refused"] as const),
]);

/**
 * @param wrong makes the error for a key
 * @throws what `wrong` makes for an adapter that is not plain LoRA
 */
export function checkKeys(object: JsonObject, wrong: WrongKey): void {
  if (object["peft_type"] !== "LORA") throw wrong("peft_type", '"LORA"', object["peft_type"]);
  for (const key of REFUSED) {
    const value = object[key];
    if (isUnset(value) || value === false) continue;
    throw wrong(key, "absent, for this variant of LoRA is not supported", value);
  }
}

/**
 * peft's ensure_weight_tying changes the embedding along with a head that is trained, and nothing without one.
 * @throws what `wrong` makes when it would change something
 */
export function checkTying(
  object: JsonObject,
  { targetModules = [], modulesToSave }: LoraOptions,
  wrong: WrongKey,
): void {
  if (object["ensure_weight_tying"] !== true) return;
  const targeted = !isAllLinear(targetModules) && TIED.some((name) => matches(name, targetModules));
  if (!targeted && modulesToSave == null) return;
  throw wrong("ensure_weight_tying", "false where the head or modules_to_save are trained", true);
}

/** Says which keys that are set nobody here knows: peft warns of those of later versions too, and goes on. */
export function warnOfUnknown(object: JsonObject, source: string): void {
  const unknown = Object.entries(object)
    .filter(([key, value]) => !ADAPTER_KEYS.has(key) && !isUnset(value) && value !== false)
    .map(([key]) => key);
  if (unknown.length === 0) return;
  warn(
    `${source}: not used, because peft 0.21 has no such ${unknown.length === 1 ? "key" : "keys"}: ${unknown.join(", ")}. ` +
      "If the adapter needs them, merge it into its model with the peft that wrote it.",
  );
}
