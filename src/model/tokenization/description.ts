// Descriptions of pipeline stages in tokenizer.json: {"type": KIND, ...}.

import { TokenizerError } from "../../tensor/errors.ts";

/** What tokenizer.json says about one stage. */
export interface Description {
  readonly type: string;
  readonly [key: string]: unknown;
}

/**
 * The stage under `key`, null where there is none.
 * @throws {TokenizerError} for something that is no stage
 */
export function describe(stage: string, value: unknown): Description | null {
  if (value === undefined || value === null) return null;
  if (isRecord(value) && typeof value["type"] === "string") return value as Description;
  throw new TokenizerError(`${stage} must be an object with a type, got ${shorten(value)}`);
}

/** @throws {TokenizerError} always: the kind is not supported */
export function refuseKind(
  stage: string,
  description: { readonly type: string },
  kinds: Readonly<Record<string, unknown>>,
): never {
  throw new TokenizerError(
    `${stage} must be ${Object.keys(kinds).join(", ")}, got ${description.type}. ` +
      "Convert the tokenizer to one of these, or encode the texts with transformers.",
  );
}

export function stringField(description: Description, key: string): string {
  const value = description[key];
  if (typeof value === "string") return value;
  throw new TokenizerError(`${description.type}: ${key} must be a text, got ${shorten(value)}`);
}

/** A key that holds one of a few texts. */
export function choiceField<T extends string>(
  description: Description,
  key: string,
  choices: readonly T[],
  fallback?: T,
): T {
  const value = description[key] ?? fallback;
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new TokenizerError(
    `${description.type}: ${key} must be ${choices.join(" or ")}, got ${shorten(value)}`,
  );
}

/** A list of stages. */
export function listField(description: Description, key: string): readonly Description[] {
  const value = description[key];
  if (!Array.isArray(value)) {
    throw new TokenizerError(`${description.type}: ${key} must be a list, got ${shorten(value)}`);
  }
  return value.map((each: unknown) => {
    const stage = describe(`${description.type}: each of ${key}`, each);
    if (stage !== null) return stage;
    throw new TokenizerError(`${description.type}: each of ${key} must be an object, got null`);
  });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function shorten(value: unknown): string {
  const text = value === undefined ? "none" : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
