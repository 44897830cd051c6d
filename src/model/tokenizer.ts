// Text to token ids and back, as transformers' T5TokenizerFast does: truncation, padding, special tokens
// and the batch, around the pipeline that tokenizer.json describes.

import { ArgumentError, TokenizerError } from "../tensor/errors.ts";
import { writeAtomically } from "../tensor/writeAtomically.ts";
import type { HubOptions } from "../hub/options.ts";
import { openModelFolder, type ModelFolder, type ModelSource } from "./modelFolder.ts";
import { locateModel } from "./pretrained.ts";
import { readTokenizerFiles } from "./tokenizerFiles.ts";
import { buildPipeline, type Pipeline } from "./tokenizerPipeline.ts";

/** Configurations say 1e30 for "no limit"; transformers takes everything above this for it. */
const NO_LIMIT = 1e20;

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
  readonly #pipeline: Pipeline;
  readonly #files: ReadonlyMap<string, Uint8Array>;
  /** What the template of tokenizer.json appends to every text: the end token. */
  readonly #suffix: readonly number[];
  readonly #specialIds: ReadonlySet<number>;
  readonly #cleansUp: boolean;

  private constructor(folder: ModelFolder, files: ReadonlyMap<string, Uint8Array>) {
    const json = (file: string) => folder.parse(file, files.get(file)!);
    const config = json("tokenizer_config.json");
    const pipeline = buildPipeline(folder.path("tokenizer.json"), json("tokenizer.json"), config);
    const map = files.has("special_tokens_map.json") ? json("special_tokens_map.json") : {};
    const idOf = (key: string, usual: string): number => {
      const token = tokenText(config[key]) ?? tokenText(map[key]) ?? usual;
      const id = pipeline.token_to_id(token);
      if (id !== undefined) return id;
      throw new TokenizerError(
        `${folder.path("tokenizer.json")}: must have the ${key} ${JSON.stringify(token)} in its vocabulary, got none. Do the tokenizer's files belong together?`,
      );
    };
    this.#pipeline = pipeline;
    this.#files = files;
    this.vocabSize = pipeline.model.vocab.length;
    this.padTokenId = idOf("pad_token", "<pad>");
    this.eosTokenId = idOf("eos_token", "</s>");
    this.unkTokenId = idOf("unk_token", "<unk>");
    this.modelMaxLength = readMaxLength(folder, config);
    this.#suffix = readSuffix(folder, pipeline);
    this.#cleansUp = config["clean_up_tokenization_spaces"] === true;
    const added = [...pipeline.get_added_tokens_decoder()];
    this.#specialIds = new Set(added.filter(([, token]) => token.special).map(([id]) => id));
  }

  /**
   * Reads tokenizer.json and tokenizer_config.json of a model folder, or of a repository of the Hub. Where there is no
   * tokenizer.json, it is made of spiece.model, as transformers' T5Converter makes it.
   * @throws {TokenizerError} when a file is missing or cannot be used
   * @throws {HubError} when the repository or a file of it cannot be had
   */
  static async fromPretrained(source: ModelSource, hub?: HubOptions): Promise<Tokenizer> {
    const place = await locateModel(source, ["tokenizer"], hub);
    const folder = await openModelFolder(place, TokenizerError);
    return new Tokenizer(folder, await readTokenizerFiles(folder));
  }

  /**
   * Token ids of one text or several, the end token last. A single text gives one row.
   * @throws {TokenizerError} for a text that is no string
   * @throws {ArgumentError} for a maxLength that cannot be kept, or padding to no length
   */
  encode(texts: string | readonly string[], options: EncodeOptions = {}): Encoded {
    const { padding = false } = options;
    const { truncation = options.maxLength !== undefined && padding === false } = options;
    const maxLength = this.#checkMaxLength(options.maxLength, padding);
    const keep = truncation ? maxLength - this.#suffix.length : Infinity;
    const list: readonly unknown[] = Array.isArray(texts) ? texts : [texts];
    const rows = list.map((text, i) => {
      const ids = this.#encodeText(text, i);
      return [...(ids.length > keep ? ids.slice(0, keep) : ids), ...this.#suffix];
    });
    const longest = rows.reduce((most, row) => Math.max(most, row.length), 0);
    const width = padding === "max_length" ? maxLength : padding === false ? 0 : longest;
    return {
      inputIds: rows.map((row) => padRight(row, width, this.padTokenId)),
      attentionMask: rows.map((row) => padRight(new Array<number>(row.length).fill(1), width, 0)),
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
    const known = Array.from(ids).filter((id) => {
      if (!Number.isInteger(id)) {
        throw new TokenizerError(`decode: ids must be whole numbers, got ${JSON.stringify(id)}`);
      }
      const isSkipped = options.skipSpecialTokens === true && this.#specialIds.has(id);
      return !isSkipped && this.#pipeline.id_to_token(id) !== undefined;
    });
    if (known.length === 0) return "";
    return this.#pipeline.decode(known, { clean_up_tokenization_spaces: this.#cleansUp });
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
   * spiece.model. Node only.
   */
  async savePretrained(folder: string): Promise<void> {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(folder, { recursive: true });
    for (const [file, bytes] of this.#files) await writeAtomically(`${folder}/${file}`, [bytes]);
  }

  #encodeText(text: unknown, row: number): number[] {
    if (typeof text !== "string") {
      throw new TokenizerError(
        `encode: texts must be strings, got ${text === null ? "null" : typeof text} in row ${row}. Is a cell of the dataset empty?`,
      );
    }
    return this.#pipeline.encode(text, { add_special_tokens: false }).ids;
  }

  #checkMaxLength(maxLength: number | undefined, padding: EncodeOptions["padding"]): number {
    const least = Math.max(this.#suffix.length, 1);
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
      "The tokenizer belongs to another model.",
  );
}

function readMaxLength(folder: ModelFolder, config: Record<string, unknown>): number {
  const { model_max_length: length = Infinity } = config;
  if (typeof length === "number" && length > NO_LIMIT) return Infinity;
  if (typeof length === "number" && Number.isInteger(length) && length > 0) return length;
  throw new TokenizerError(
    `${folder.path("tokenizer_config.json")}: model_max_length must be a positive whole number, got ${JSON.stringify(length)}. Correct the file.`,
  );
}

function readSuffix(folder: ModelFolder, pipeline: Pipeline): readonly number[] {
  const suffix = pipeline.encode("").ids;
  const bare = pipeline.encode("a", { add_special_tokens: false }).ids;
  if (pipeline.encode("a").ids.join() === [...bare, ...suffix].join()) return suffix;
  throw new TokenizerError(
    `${folder.path("tokenizer.json")}: post_processor must append its special tokens, as T5's does, got one that puts some before the text`,
  );
}

/** Special tokens are texts, or objects with the text as content. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  if (typeof token !== "object" || token === null || !("content" in token)) return undefined;
  return typeof token.content === "string" ? token.content : undefined;
}

function padRight(row: readonly number[], width: number, filler: number): number[] {
  return row.length >= width
    ? [...row]
    : [...row, ...new Array<number>(width - row.length).fill(filler)];
}
