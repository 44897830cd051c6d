// The post-processor of tokenizer.json: which special tokens follow a text.

import { TokenizerError } from "../../tensor/errors.ts";
import { isRecord, listField, ofKind, shorten, type Description } from "./description.ts";

type IdOf = (token: string) => number | undefined;

/** Kinds of post-processor that are applied; every other is refused by name. */
export const POST_PROCESSORS: Readonly<
  Record<string, (description: Description, idOf: IdOf) => readonly number[]>
> = {
  TemplateProcessing: template,
  Sequence: (description, idOf) =>
    listField(description, "processors").flatMap((each) => readSuffix(each, idOf)),
  // Only moves offsets, which nothing here uses.
  ByteLevel: () => [],
};

/**
 * Ids that a post-processor appends to a text.
 * @throws {TokenizerError} when it puts some before the text, or is not supported
 */
export function readSuffix(description: Description | null, idOf: IdOf): readonly number[] {
  if (description === null) return [];
  if (description.type === "BertProcessing" || description.type === "RobertaProcessing") {
    throw prefixed(description.type);
  }
  const read = ofKind("post_processor", description, POST_PROCESSORS);
  return read(description, idOf);
}

function template(description: Description, idOf: IdOf): readonly number[] {
  const { single, special_tokens: specials } = description;
  const parts: readonly unknown[] = Array.isArray(single) ? single : [];
  const at = parts.findIndex((part) => isRecord(part) && "Sequence" in part);
  if (at !== 0 || parts.slice(1).some((part) => isRecord(part) && "Sequence" in part)) {
    throw prefixed(shorten(single));
  }
  return parts.slice(1).flatMap((part) => {
    const token = isRecord(part) && isRecord(part["SpecialToken"]) ? part["SpecialToken"] : {};
    const name = token["id"];
    const entry = isRecord(specials) && typeof name === "string" ? specials[name] : undefined;
    if (isRecord(entry) && Array.isArray(entry["ids"])) return entry["ids"].map(toId);
    const id = typeof name === "string" ? idOf(name) : undefined;
    if (id !== undefined) return [id];
    throw new TokenizerError(
      `post_processor must name special tokens that exist, got ${shorten(part)}`,
    );
  });
}

function toId(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new TokenizerError(`post_processor must append token ids, got ${shorten(value)}`);
}

function prefixed(got: string): TokenizerError {
  return new TokenizerError(
    `post_processor must append its special tokens to one text, as T5's does, got ${got}`,
  );
}
