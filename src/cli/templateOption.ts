// A prompt as a shell hands it over: on the command line alone, \n, \t and \\ are written for what a shell makes hard
// to type. Everything else about templates is src/data/prompt.ts.

import { InvalidArgumentError, Option } from "commander";
import { ArgumentError } from "../tensor/errors.ts";
import { templateColumns } from "../data/prompt.ts";

/** Said in every help text of a template. */
const WRITING = "\\n for a new line, \\t for a tab, \\\\ for a backslash, {{ and }} for braces";

/** @param description what the prompt is, and which names it may hold in braces */
export function templateOption(flags: string, description: string): Option {
  return new Option(flags, `${description}; ${WRITING}`).argParser(readTemplate);
}

function readTemplate(text: string): string {
  const template = unescapeTemplate(text);
  try {
    templateColumns(template);
  } catch (error) {
    if (error instanceof ArgumentError) throw new InvalidArgumentError(error.message);
    throw error;
  }
  return template;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\n": "\n", "\\t": "\t", "\\\\": "\\" };

/** Every other backslash stays as it is. */
function unescapeTemplate(text: string): string {
  return text.replace(/\\[nt\\]/g, (escape) => ESCAPES[escape]!);
}
