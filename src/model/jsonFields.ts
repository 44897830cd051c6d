// Reading fields of config.json and generation_config.json: each is checked where it is read.

import { ConfigError } from "../tensor/errors.ts";

/** A JSON object as it was parsed. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface NumberRule {
  /** What `test` accepts, for messages. */
  readonly allowed: string;
  test(value: number): boolean;
}

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

  /** A whole number of at least `least`; `fallback` where the key is absent. */
  whole(key: string, fallback: number, least: number): number {
    return this.#read(key, fallback, `a whole number of at least ${least}`, isWhole(least));
  }

  /** A token id, below `vocabSize` where that is known; `fallback` where the key is absent or null. */
  tokenId<F extends number | undefined>(
    key: string,
    fallback: F,
    vocabSize = Infinity,
  ): number | F {
    if (this.#object[key] == null) return fallback;
    const allowed =
      vocabSize === Infinity ? "a token id" : `a token id below vocab_size ${vocabSize}`;
    const accepts = (value: unknown) => isWhole(0)(value) && Number(value) < vocabSize;
    return this.#read<number>(key, 0, allowed, accepts);
  }

  /** One token id or several; undefined where the key is absent or null. */
  tokenIds(key: string): number | readonly number[] | undefined {
    if (this.#object[key] == null) return undefined;
    return this.#read<number | readonly number[]>(key, 0, "a token id or a list of them", (value) =>
      [value].flat().every(isWhole(0)),
    );
  }

  number(key: string, fallback: number, rule: NumberRule): number {
    return this.#read(
      key,
      fallback,
      rule.allowed,
      (value) => typeof value === "number" && Number.isFinite(value) && rule.test(value),
    );
  }

  /** `fallback` where the key is absent or null. */
  boolean(key: string, fallback: boolean): boolean {
    if (this.#object[key] === null) return fallback;
    return this.#read(key, fallback, "true or false", (value) => typeof value === "boolean");
  }

  text(key: string, fallback: string): string {
    return this.#read(key, fallback, "a text", (value) => typeof value === "string");
  }

  /** @param cure a sentence, when there is a better one than to correct the value */
  fail(key: string, must: string, cure?: string): never {
    const isOverride = Object.hasOwn(this.#overrides, key);
    const usual = isOverride
      ? "Correct the override."
      : `Correct the file, or override the field with { config: { ${key}: ... } }.`;
    throw new ConfigError(
      `${isOverride ? "config overrides" : this.#source}: ${key} must be ${must}, ` +
        `got ${JSON.stringify(this.#object[key]) ?? "nothing"}. ${cure ?? usual}`,
    );
  }

  #read<T>(key: string, fallback: T, allowed: string, accepts: (value: unknown) => boolean): T {
    if (!Object.hasOwn(this.#object, key)) return fallback;
    const value = this.#object[key];
    if (!accepts(value)) this.fail(key, allowed);
    return value as T;
  }
}

function isWhole(least: number): (value: unknown) => boolean {
  return (value) => Number.isSafeInteger(value) && Number(value) >= least;
}
