// Errors of the library in the page's words: it names options, variables and flags of programs, where a visitor has fields.

import type { ErrorData } from "../protocol/envelope.ts";
import { HOME } from "./storage/folders.ts";

const WORDS: readonly (readonly [of: RegExp, page: string])[] = [
  // Files by the names they were dropped with: where the page keeps them says nothing.
  [new RegExp(`${HOME}/[\\w-]+/`, "g"), ""],
  [new RegExp(`${HOME}/[\\w-]+`, "g"), "the files"],
  [/, or leave such rows out with --skip-incomplete-rows \(option skipIncompleteRows\)/g, ""],
  [/name those to use with sourceColumn and targetColumn/g, "choose others to read and write"],
  [/set HF_TOKEN(?: or hubToken)?(?: or pass it as token)?/g, "fill in the field Access token"],
  [/HF_ENDPOINT where it is set/g, "the address of the Hub"],
  [/another HF_ENDPOINT/g, "another address of the Hub"],
  [/Is HF_ENDPOINT a Hub\?/g, "Is that the address of a Hub?"],
  [/ \(There is no folder [^)]*\)/g, ""],
  [/ Check the path\. A Hub id reads/g, " An id of the Hub reads"],
];

/** An error as it crosses to the page. */
export function errorData(error: unknown): ErrorData {
  if (error instanceof Error || error instanceof DOMException) {
    const { name, message } = isFull(error) ? { name: error.name, message: FULL } : error;
    return { name, message: WORDS.reduce((text, [of, page]) => text.replace(of, page), message) };
  }
  return { name: "Error", message: String(error) };
}

const FULL =
  "The browser gives this page no more room for files. Delete models in the section Model, or free space on the disk, and try again.";

/** Whether it, or what caused it, is the browser's limit for the files of a site. */
function isFull(error: unknown): boolean {
  if (!(error instanceof Error || error instanceof DOMException)) return false;
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  return error.name === "QuotaExceededError" || code === "ENOSPC" || isFull(cause);
}
