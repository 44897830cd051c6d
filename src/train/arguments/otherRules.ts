// What the values of transformers' other arguments may be, and how their texts on a command line are read.

import { number, readJson, type ReadableRule } from "../../fields/rules.ts";

export const anyNumber = number("a number", () => true);

/** JSON on a command line, and texts as they are. */
const json = (must: string, holds: (value: unknown) => boolean): ReadableRule => ({
  ...{ must, holds, read: readJson },
});

export const anyText = json("a text", isText);
export const anObject = json("an object", isObject);
export const aList = json("a list", Array.isArray);
export const names = json("a text or a list of texts", (value) => isText(value) || isTexts(value));
export const pathOrObject = json(
  "a path or an object",
  (value) => isText(value) || isObject(value),
);
/** Of switches that are also lists of options, or names: fsdp, debug. */
export const switchOrNames = json(
  "true, false, a text or a list of texts",
  (value) => typeof value === "boolean" || isText(value) || isTexts(value),
);

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
