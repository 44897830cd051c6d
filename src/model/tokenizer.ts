// Text to token ids and back, as transformers' T5TokenizerFast does: truncation, padding, special tokens
// and the batch, around the pipeline that tokenizer.json describes.

import type { PushOptions, PushResult } from "../hub/push.ts";
import { ArgumentError, TokenizerError } from "../tensor/errors.ts";
import { files } from "../tensor/files/files.ts";
import { writeAtomically } from "../tensor/writeAtomically.ts";
import type { HubOptions } from "../hub/options.ts";
import { openModelFolder, type ModelFolder, type ModelSource } from "./modelFolder.ts";
import { locateModel } from "./pretrained.ts";
import { cleanUpSpaces } from "./tokenization/cleanUp.ts";
import { mergeConfig, namedToken, readMaxLength, readSide } from "./tokenizerConfig.ts";
import { readTokenizerFiles, sourceFile } from "./tokenizerFiles.ts";
import { buildPipeline, type Pipeline } from "./tokenizerPipeline.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** How `Tokenizer.encode` pads and cuts rows, as transformers' tokenizers do. */
export interface EncodeOptions {
  /** "longest" (or true) pads to the longest row, "max_length" to maxLength; default false. */
  readonly padding?: boolean | "longest" | "max_length";
  /** Cuts rows to maxLength, the end token included. Default: only when maxLength is given without padding. */
  readonly truncation?: boolean;
  /** In tokens, the end token included; default modelMaxLength. */
  readonly maxLength?: number;
}

/** Rows of token ids, as a model takes them. */
export interface Encoded {
  readonly inputIds: number[][];
  /** 1 for tokens, 0 for padding. */
  readonly attentionMask: number[][];
}

/**
 * The SentencePiece tokenizer of a T5 model, from tokenizer.json or spiece.model; `fromPretrained` loads one. Ids and texts are those of
 * transformers' T5TokenizerFast.
 */
export class Tokenizer {
  /** Ids are below this; a model may have more rows (32,128 for T5's 32,100). */
  readonly vocabSize: number;
  /** In tokens; Infinity where the tokenizer has no limit. */
  readonly modelMaxLength: number;
  readonly padTokenId: number;
  readonly eosTokenId: number;
  readonly unkTokenId: number;
  /** Where `encode` puts padding. */
  readonly paddingSide: "left" | "right";
  /** Where `encode` cuts what is too long; the end token stays. */
  readonly truncationSide: "left" | "right";
  readonly #pipeline: Pipeline;
  readonly #files: ReadonlyMap<string, Uint8Array>;
  readonly #cleansUp: boolean;

  private constructor(folder: ModelFolder, files: ReadonlyMap<string, Uint8Array>) {
    const json = (file: string) => (files.has(file) ? folder.parse(file, files.get(file)!) : {});
    const tokenizerJson = json("tokenizer.json");
    const config = named(folder, () =>
      mergeConfig(
        json("tokenizer_config.json"),
        json("special_tokens_map.json"),
        json("added_tokens.json"),
      ),
    );
    const source = folder.path(sourceFile(folder.files));
    const pipeline = buildPipeline(source, tokenizerJson, config);
    const idOf = (key: string, usual: string): number => {
      const token = namedToken(config, key) ?? usual;
      const id = pipeline.token_to_id(token);
      if (id !== undefined) return id;
      throw new TokenizerError(
        `${source}: must have the ${key} ${JSON.stringify(token)} in its vocabulary, got none. Do the tokenizer's files belong together?`,
      );
    };
    this.#pipeline = pipeline;
    this.#files = files;
    this.vocabSize = pipeline.vocabSize;
    this.padTokenId = idOf("pad_token", "<pad>");
    this.eosTokenId = idOf("eos_token", "</s>");
    this.unkTokenId = idOf("unk_token", "<unk>");
    const { padding, truncation } = tokenizerJson;
    this.modelMaxLength = named(folder, () => readMaxLength(config));
    this.paddingSide = named(folder, () => readSide(config, "padding_side", padding));
    this.truncationSide = named(folder, () => readSide(config, "truncation_side", truncation));
    this.#cleansUp = config["clean_up_tokenization_spaces"] === true;
  }

  /**
   * Reads tokenizer.json of a model folder, or of a repository of the Hub, and tokenizer_config.json where there is one.
   * A spiece.model without tokenizer.json is converted as transformers' T5Converter does.
   * @throws {TokenizerError} when a file is missing or cannot be used
   * @throws {HubError} when the repository or a file of it cannot be had
   */
  static async fromPretrained(source: ModelSource, hub?: HubOptions): Promise<Tokenizer> {
    const place = await locateModel(source, ["tokenizer"], hub);
    const folder = await openModelFolder(place, TokenizerError);
    return new Tokenizer(folder, await readTokenizerFiles(folder));
  }

  /**
   * Token ids of one text or several, the end token last. A single text gives one row. Rows are padded and cut on the
   * sides that the tokenizer's files name, usually the right.
   * @throws {TokenizerError} for a text that is no string
   * @throws {ArgumentError} for a maxLength that cannot be kept, or padding to no length
   */
  encode(texts: string | readonly string[], options: EncodeOptions = {}): Encoded {
    const { padding = false } = options;
    const { truncation = options.maxLength !== undefined && padding === false } = options;
    const maxLength = this.#checkMaxLength(options.maxLength, padding);
    const keep = truncation ? maxLength - this.#pipeline.suffix.length : Infinity;
    const list: readonly unknown[] = Array.isArray(texts) ? texts : [texts];
    const rows = list.map((text, i) => {
      const ids = this.#encodeText(text, i);
      return [...this.#cut(ids, keep), ...this.#pipeline.suffix];
    });
    const longest = rows.reduce((most, row) => Math.max(most, row.length), 0);
    const width = padding === "max_length" ? maxLength : padding === false ? 0 : longest;
    return {
      inputIds: rows.map((row) => this.#pad(row, width, this.padTokenId)),
      attentionMask: rows.map((row) => this.#pad(new Array<number>(row.length).fill(1), width, 0)),
    };
  }

  /**
   * The text of token ids. Ids outside the vocabulary vanish (the model has more rows than the tokenizer).
   * @param options skipSpecialTokens leaves out <pad>, </s>, <unk> and the sentinels; default false
   * @throws {TokenizerError} for an id that is no whole number
   */
  decode(
    ids: ArrayLike<number>,
    options: { readonly skipSpecialTokens?: boolean | undefined } = {},
  ): string {
    const isMany = typeof ids === "object" && ids !== null && "length" in ids;
    requireThat(
      isMany,
      "decode",
      "ids must be an array of whole numbers",
      ids,
      "Pass the ids of one text.",
    );
    const known = Array.from(ids).filter((id) => {
      if (!Number.isInteger(id)) {
        throw new TokenizerError(`decode: ids must be whole numbers, got ${JSON.stringify(id)}`);
      }
      const isSkipped = options.skipSpecialTokens === true && this.#pipeline.specialIds.has(id);
      return !isSkipped && this.#pipeline.id_to_token(id) !== undefined;
    });
    if (known.length === 0) return "";
    const text = this.#pipeline.decode(known);
    return this.#cleansUp ? cleanUpSpaces(text) : text;
  }

  /** `decode` of every row. */
  batchDecode(
    rows: readonly ArrayLike<number>[],
    options: { readonly skipSpecialTokens?: boolean | undefined } = {},
  ): string[] {
    return rows.map((ids) => this.decode(ids, options));
  }

  /** SHA-256 of the tokenizer's files, in hexadecimal: equal for tokenizers that give the same ids. */
  async fingerprint(): Promise<string> {
    const parts = [...this.#files].flatMap(([name, bytes]) => [`${name} ${bytes.length}\n`, bytes]);
    const all = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /**
   * Copies the tokenizer's files to a folder, which is made when it does not exist; with a tokenizer.json that was made of
   * spiece.model.
   */
  async savePretrained(folder: string): Promise<void> {
    await files.makeFolder(folder);
    for (const [file, bytes] of this.#files) await writeAtomically(`${folder}/${file}`, [bytes]);
  }

  /**
   * Pushes the tokenizer's files to a model repository of the Hub, which is made when it does not exist, as one commit.
   * @param repository `owner/name`, or a name alone for a repository of the token's user
   * @throws {ArgumentError} for an id that cannot be
   * @throws {HubError} when the Hub refuses or cannot be reached; its message says what to do
   */
  async pushToHub(repository: string, options: PushOptions = {}): Promise<PushResult> {
    const { createRepository, pushFiles } = await import("../hub/push.ts");
    const files = [...this.#files].map(
      ([file, bytes]) => [file, new Blob([bytes.slice()])] as const,
    );
    const name = await createRepository(repository, options);
    return pushFiles(name, new Map(files), { commitMessage: "Upload tokenizer", ...options });
  }

  #encodeText(text: unknown, row: number): number[] {
    if (typeof text !== "string") {
      throw new TokenizerError(
        `encode: texts must be strings, got ${text === null ? "null" : typeof text} in row ${row}. Is a cell of the dataset empty?`,
      );
    }
    return this.#pipeline.encode(text, { add_special_tokens: false }).ids;
  }

  #cut(ids: number[], keep: number): number[] {
    if (ids.length <= keep) return ids;
    return this.truncationSide === "left" ? ids.slice(ids.length - keep) : ids.slice(0, keep);
  }

  #pad(row: readonly number[], width: number, filler: number): number[] {
    const padding = new Array<number>(Math.max(0, width - row.length)).fill(filler);
    return this.paddingSide === "left" ? [...padding, ...row] : [...row, ...padding];
  }

  #checkMaxLength(maxLength: number | undefined, padding: EncodeOptions["padding"]): number {
    const least = Math.max(this.#pipeline.suffix.length, 1);
    if (maxLength !== undefined && !(Number.isInteger(maxLength) && maxLength >= least)) {
      throw new ArgumentError(
        `encode: maxLength must be a whole number of at least ${least}, got ${maxLength}`,
      );
    }
    const length = maxLength ?? this.modelMaxLength;
    if (padding === "max_length" && length === Infinity) {
      throw new ArgumentError(
        'encode: padding "max_length" needs a maxLength, got a tokenizer without a limit. Pass maxLength, or padding: "longest".',
      );
    }
    return length;
  }
}

/** @throws {TokenizerError} when the tokenizer can give ids that the model has no embedding for */
export function checkVocabulary(
  tokenizer: Pick<Tokenizer, "vocabSize">,
  config: { readonly vocabSize: number },
): void {
  if (tokenizer.vocabSize <= config.vocabSize) return;
  throw new TokenizerError(
    `tokenizer: ids must be below the model's vocab_size ${config.vocabSize}, got a vocabulary of ${tokenizer.vocabSize}. ` +
      "The tokenizer belongs to another model. With a spiece.model alone, name the number of its sentinels as extra_ids in tokenizer_config.json.",
  );
}

/** Puts the folder before what is wrong with its configuration. */
function named<T>(folder: ModelFolder, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TokenizerError) || error.message.startsWith(folder.name)) throw error;
    const file = folder.path("tokenizer_config.json");
    throw new TokenizerError(`${file}: ${error.message}`, { cause: error });
  }
}
