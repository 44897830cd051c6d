// docs/guide/files.md says of every key and kind what the code does with it.

import { describe, expect, it } from "vitest";
import { REFUSED, WITHOUT_EFFECT } from "../../src/data/splits/parameters.ts";
import {
  APPLIED_KEYS,
  KEYS_WITHOUT_EFFECT,
  REFUSED_KEYS,
  TOKEN_KEYS,
} from "../../src/generation/modelKeys.ts";
import { DECODERS } from "../../src/model/tokenization/decoders.ts";
import { MODEL_KEYS, MODELS } from "../../src/model/tokenization/models.ts";
import { NORMALIZERS } from "../../src/model/tokenization/normalizers.ts";
import { PRE_TOKENIZERS } from "../../src/model/tokenization/preTokenizers.ts";
import { POST_PROCESSORS } from "../../src/model/tokenization/template.ts";
import { APPLIED_KEYS as TOKENIZER_KEYS } from "../../src/model/tokenizerConfig.ts";
import {
  ACTIVATIONS,
  ALIASES,
  ARCHITECTURES,
  DERIVED_FROM_PROJECTION,
  OVERRIDABLE,
  RELATIVES,
} from "../../src/t5/configRules.ts";
import { readSource } from "../support/sources.ts";

const sections = new Map(
  readSource("docs/guide/files.md")
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section]),
);

/** The cells of a section's tables. */
function cellsOf(section: string): string[][] {
  const lines = sections.get(section)!.split("\n");
  return lines.map((line) => line.split("|").map((cell) => cell.trim()));
}

/** The code in a row of a section. */
function rowOf(section: string, name: string): string[] {
  const row = cellsOf(section).find(([, first]) => first === name);
  if (row === undefined) throw new Error(`${section} has no row ${name}`);
  return [
    ...row
      .slice(2)
      .join(" ")
      .matchAll(/`([^`]+)`/g),
  ].map(([, code]) => code!);
}

const stages = { normalizer: NORMALIZERS, pre_tokenizer: PRE_TOKENIZERS, model: MODELS };
const kinds = { ...stages, post_processor: POST_PROCESSORS, decoder: DECODERS };

describe("docs/guide/files.md", () => {
  it.each<readonly [section: string, row: string, code: Iterable<string>]>([
    ["config.json", "applied", [...OVERRIDABLE, ...DERIVED_FROM_PROJECTION]],
    ["config.json", "other names", [...ALIASES].flat()],
    ["config.json", "`model_type`", Object.keys({ ...ARCHITECTURES, ...RELATIVES })],
    ["config.json", "`dense_act_fn`", ACTIVATIONS.keys()],
    ["generation_config.json", "applied", [...APPLIED_KEYS.keys(), ...TOKEN_KEYS]],
    ["generation_config.json", "without effect", KEYS_WITHOUT_EFFECT],
    ...Object.entries(kinds).map(
      ([stage, known]) => ["tokenizer.json", stage, Object.keys(known)] as const,
    ),
    ...Object.entries(MODEL_KEYS).map(
      ([model, keys]) => ["tokenizer.json", `keys of ${model}`, keys] as const,
    ),
    ["tokenizer_config.json", "applied", TOKENIZER_KEYS],
    ["README.md of a data set", "without effect", WITHOUT_EFFECT],
    ["README.md of a data set", "refused, unless they change no row", Object.keys(REFUSED)],
  ])("lists of %s what is in the code: %s", (section, row, code) => {
    expect(rowOf(section, row).sort()).toEqual([...code].sort());
  });

  it("says of each refused setting of generation what it must be, and why", () => {
    const listed = cellsOf("generation_config.json")
      .filter((cells) => cells.length === 5 && /^`\w+`$/.test(cells[1]!))
      .map(([, key, must, why]) => [key!.slice(1, -1), must, why]);
    const refused = Object.entries(REFUSED_KEYS).map(([key, { must, why }]) => [key, must, why]);
    expect(listed).toEqual(refused);
  });
});
