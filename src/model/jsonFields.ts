// Reading fields of config.json and generation_config.json: each is checked where it is read.

import { flag, formatValue, whole, type Rule } from "../fields/rules.ts";
import { ConfigError } from "../tensor/errors.ts";

/** A JSON object as it was parsed. */
export type JsonObject = Readonly<Record<string, unknown>>;

const isId = whole(0).holds;
/** May be empty, as in dense_act_fn. */
const text: Rule = { must: "a text", holds: (value) => typeof value === "string" };

export class JsonFields {
  readonly #source: string;
  readonly #object: JsonObject;
  readonly #overrides: JsonObject;

  /**
   * @param source name of the file, for messages
   * @param overrides those of the object's fields that did not come from the file
   */
  constructor(source: string, object: JsonObject, overrides: JsonObject = {}) {
    this.#source = source;
    this.#object = object;
    this.#overrides = overrides;
  }

  /** A whole number of at least `least`, and of at most `most`; `fallback` where the key is absent. */
  whole(key: string, fallback: number, least: number, most = Infinity): number {
    if (most === Infinity) return this.#read(key, fallback, whole(least));
    const holds = (value: unknown) => whole(least).holds(value) && Number(value) <= most;
    return this.#read(key, fallback, { must: `a whole number of ${least}..${most}`, holds });
  }

  /** A token id, below `vocabSize` where that is known; `fallback` where the key is absent or null. */
  tokenId<F extends number | undefined>(
    key: string,
    fallback: F,
    vocabSize = Infinity,
  ): number | F {
    if (this.#object[key] == null) return fallback;
    const must = vocabSize === Infinity ? "a token id" : `a token id below vocab_size ${vocabSize}`;
    const holds = (value: unknown) => isId(value) && Number(value) < vocabSize;
    return this.#read<number>(key, 0, { must, holds });
  }

  /** One token id or several, below `vocabSize` where that is known; undefined where the key is absent or null. */
  tokenIds(key: string, vocabSize = Infinity): number | readonly number[] | undefined {
    if (this.#object[key] == null) return undefined;
    const below = vocabSize === Infinity ? "" : ` below vocab_size ${vocabSize}`;
    return this.#read<number | readonly number[]>(key, 0, {
      must: `a token id${below} or a list of them`,
      holds: (value) =>
        [value].flat().length > 0 &&
        [value].flat().every((id) => isId(id) && Number(id) < vocabSize),
    });
  }

  number(key: string, fallback: number, rule: Rule): number {
    return this.#read(key, fallback, rule);
  }

  /** `fallback` where the key is absent or null. */
  boolean(key: string, fallback: boolean): boolean {
    if (this.#object[key] === null) return fallback;
    return this.#read(key, fallback, flag);
  }

  text(key: string, fallback: string): string {
    return this.#read(key, fallback, text);
  }

  /** @param cure a sentence, when there is a better one than to correct the value */
  fail(key: string, must: string, cure?: string): never {
    const isOverride = Object.hasOwn(this.#overrides, key);
    const usual = isOverride
      ? "Correct the override."
      : `Correct the file, or override the field with { config: { ${key}: ... } }.`;
    throw new ConfigError(
      `${isOverride ? "config overrides" : this.#source}: ${key} must be ${must}, ` +
        `got ${formatValue(this.#object[key])}. ${cure ?? usual}`,
    );
  }

  #read<T>(key: string, fallback: T, rule: Rule): T {
    if (!Object.hasOwn(this.#object, key)) return fallback;
    const value = this.#object[key];
    if (!rule.holds(value)) this.fail(key, rule.must);
    return value as T;
  }
}
