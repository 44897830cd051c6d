// What becomes of each key of a model's generation_config.json: applied, without effect here, or refused by name. The
// table in docs/guide/generation.md is checked against this file.
//
// Source: transformers' generation/configuration_utils.py, 4.57 to 5.17.

import { toSnakeCase } from "../fields/names.ts";
import { OPTION_RULES, PER_CALL } from "./optionRules.ts";
import type { OptionName } from "./options.ts";
import type { GenerationPlan } from "./plan.ts";

/** What generate() cannot do, and so must not pass over in silence. */
export interface Refusal {
  /** What the value must be, in words that follow "must be". */
  readonly must: string;
  readonly why: string;
  /** Whether the value asks for it in this plan. */
  applies(value: unknown, plan: GenerationPlan): boolean;
}

/** The options that come from a model's files, by their keys there. */
export const APPLIED_KEYS: ReadonlyMap<string, OptionName> = new Map(
  (Object.keys(OPTION_RULES) as OptionName[])
    .filter((name) => !PER_CALL.has(name))
    .map((name) => [toSnakeCase(name), name]),
);

/** Read by whoever opens the session, as the model's special tokens. */
export const TOKEN_KEYS: ReadonlySet<string> = new Set([
  "bos_token_id",
  "decoder_start_token_id",
  "eos_token_id",
  "pad_token_id",
]);

/** Keys that change no token: caches and compilation, what Python returns, assistants that no file can name. */
export const KEYS_WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  "use_cache",
  "cache_config",
  "max_cache_len",
  "low_memory",
  "prefill_chunk_size",
  "compile_config",
  "disable_compile",
  "continuous_batching_config",
  "output_attentions",
  "output_hidden_states",
  "output_scores",
  "output_logits",
  "return_dict_in_generate",
  "num_assistant_tokens",
  "num_assistant_tokens_schedule",
  "assistant_confidence_threshold",
  "max_matching_ngram_size",
  "assistant_lookbehind",
  "target_lookbehind",
  "assistant_ensemble_weight",
  "speculation_type",
  "transformers_version",
]);

const always = () => true;

const absent = (why: string): Refusal => ({ must: "absent", why, applies: always });

const byCaller = absent("it is no setting of a model but an argument of generate() in Python");

export const REFUSED_KEYS: Readonly<Record<string, Refusal>> = {
  num_beam_groups: {
    must: "1 with beams",
    why: "group beam search is not supported",
    applies: (value, { numBeams }) => value !== 1 && numBeams > 1,
  },
  diversity_penalty: {
    must: "0 with beams",
    why: "group beam search is not supported",
    applies: (_, { numBeams }) => numBeams > 1,
  },
  penalty_alpha: {
    must: "0 without beams and sampling",
    why: "contrastive search is not supported",
    applies: (_, { numBeams, doSample, topK }) => numBeams === 1 && !doSample && topK > 1,
  },
  dola_layers: absent("DoLa decoding is not supported"),
  constraints: absent(
    "constrained beam search is not supported; generate() takes prefixAllowedTokensFn",
  ),
  force_words_ids: absent(
    "constrained beam search is not supported; generate() takes prefixAllowedTokensFn",
  ),
  guidance_scale: {
    must: "1",
    why: "classifier-free guidance is not supported",
    applies: (value) => value !== 1,
  },
  watermarking_config: absent("watermarks are not supported"),
  stop_strings: absent("generate() knows no texts; it takes eos_token_id, and a signal"),
  token_healing: absent("there is no prompt in the decoder to heal"),
  prompt_lookup_num_tokens: absent("assisted generation is not supported"),
  assistant_early_exit: absent("assisted generation is not supported"),
  is_assistant: absent("assisted generation is not supported"),
  use_mtp: absent("assisted generation is not supported"),
  cache_implementation: {
    must: 'other than "quantized"',
    why: "transformers has no quantized cache for T5 either",
    applies: (value) => value === "quantized",
  },
  logits_processor: byCaller,
  stopping_criteria: byCaller,
  prefix_allowed_tokens_fn: byCaller,
  synced_gpus: byCaller,
  assistant_model: byCaller,
  streamer: byCaller,
  negative_prompt_ids: byCaller,
  negative_prompt_attention_mask: byCaller,
};

/** Whether a key of a file is none that transformers knows; those with an underscore in front are its own notes. */
export function isUnknownKey(key: string): boolean {
  return !(
    key.startsWith("_") ||
    APPLIED_KEYS.has(key) ||
    TOKEN_KEYS.has(key) ||
    KEYS_WITHOUT_EFFECT.has(key) ||
    Object.hasOwn(REFUSED_KEYS, key)
  );
}
