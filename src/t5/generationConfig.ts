// generation_config.json: the special tokens of generation, and default options, which
// generation/modelOptions.ts reads from `raw`.

import { APPLIED_KEYS, REFUSED_KEYS } from "../generation/modelKeys.ts";
import { ConfigError } from "../tensor/errors.ts";
import type { T5Config } from "./config.ts";
import { JsonFields, type JsonObject } from "../model/jsonFields.ts";
import { openModelFolder, type ModelSource } from "../model/modelFolder.ts";

const FILE = "generation_config.json";

/** Options of generation that old models keep in config.json; transformers takes them from there. */
const LEGACY_OPTIONS = [...APPLIED_KEYS.keys(), ...Object.keys(REFUSED_KEYS)];

/** The fields of generation_config.json that matter here; options of `generate` go before them. */
export class GenerationConfig {
  /** Name of the file, for messages. */
  readonly source: string;
  /** The file's, else its bos_token_id; undefined where it has neither, then config.json's holds. */
  readonly decoderStartTokenId: number | undefined;
  /** Any of these ends a sequence. */
  readonly eosTokenId: number | readonly number[] | undefined;
  readonly padTokenId: number | undefined;
  /** Every key of the file. */
  readonly raw: JsonObject;

  private constructor(raw: JsonObject, source: string) {
    const fields = new JsonFields(source, raw);
    this.source = source;
    this.raw = raw;
    this.decoderStartTokenId = fields.tokenId(
      "decoder_start_token_id",
      fields.tokenId("bos_token_id", undefined),
    );
    this.eosTokenId = fields.tokenIds("eos_token_id");
    this.padTokenId = fields.tokenId("pad_token_id", undefined);
  }

  /** @throws {ConfigError} for a special token that is no token id */
  static fromJSON(
    object: JsonObject,
    options: { readonly source?: string } = {},
  ): GenerationConfig {
    return new GenerationConfig({ ...object }, options.source ?? FILE);
  }

  /** What a model without generation_config.json generates with: the tokens and options in its config.json. */
  static fromConfig(config: T5Config): GenerationConfig {
    const { raw } = config;
    const legacy = LEGACY_OPTIONS.filter((key) => raw[key] != null);
    const object = {
      _from_model_config: true,
      ...Object.fromEntries(legacy.map((key) => [key, raw[key]])),
      // BART's name for it, from before there was forced_bos_token_id.
      ...(raw.force_bos_token_to_be_generated === true && raw.bos_token_id != null
        ? { forced_bos_token_id: raw.bos_token_id }
        : {}),
      decoder_start_token_id: config.decoderStartTokenId,
      eos_token_id: config.raw.eos_token_id ?? config.eosTokenId,
      pad_token_id: config.padTokenId,
    };
    return GenerationConfig.fromJSON(object, { source: "config.json" });
  }

  /**
   * Reads generation_config.json of a model folder; `config` serves where there is none.
   * @throws {ConfigError} when the folder is missing or the file cannot be used
   */
  static async fromPretrained(source: ModelSource, config: T5Config): Promise<GenerationConfig> {
    const folder = await openModelFolder(source, ConfigError);
    if (!folder.has(FILE)) return GenerationConfig.fromConfig(config);
    return GenerationConfig.fromJSON(await folder.json(FILE), { source: folder.path(FILE) });
  }

  /** What to write to generation_config.json: the keys of the file. */
  toJSON(): Record<string, unknown> {
    return { ...this.raw };
  }
}
