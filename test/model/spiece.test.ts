// spiece.model without tokenizer.json, against transformers' T5Converter (test/golden/makeSpiece.py), and files that are none.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { describe, expect, it, vi } from "vitest";
import { Tokenizer } from "../../src/model/tokenizer.ts";
import { TokenizerError } from "../../src/tensor/errors.ts";
import { fuzz } from "../support/damage.ts";
import { temporaryFolder } from "../support/folder.ts";
import { MORE_RUNS } from "../support/full.ts";
import { isFull } from "../support/full.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";
import { PIECES, spieceModel, type ModelFields } from "../support/spieceModel.ts";

interface Case {
  readonly name: string;
  readonly model: string;
  readonly files: Readonly<Record<string, object>>;
  /** Content of the tokenizer.json that T5Converter makes. */
  readonly tokenizer: object;
  /** Ids of padding, end and unknown. */
  readonly special: readonly number[];
  readonly ids: readonly number[][];
  readonly decoded: readonly string[];
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, "../golden/spiece.json"), "utf8"),
) as { texts: string[]; cases: Case[] };

const folder = temporaryFolder();

/** The tokenizer of a spiece.model and the files beside it, as a page has them; and what was said on stderr. */
async function open(model: Uint8Array<ArrayBuffer>, files: Readonly<Record<string, object>> = {}) {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  try {
    const blobs = Object.entries(files).map(([name, value]): [string, Blob] => [
      name,
      new Blob([JSON.stringify(value)]),
    ]);
    const tokenizer = await Tokenizer.fromPretrained(
      new Map([["spiece.model", new Blob([model])], ...blobs]),
    );
    return { tokenizer, warnings: warn.mock.calls.map(String) };
  } finally {
    warn.mockRestore();
  }
}

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const idsOf = ({ tokenizer }: { tokenizer: Tokenizer }, text: string) =>
  tokenizer.encode(text).inputIds[0]!;

describe("spiece.model without tokenizer.json", () => {
  describe.each(golden.cases)("$name", (expected) => {
    it("gives transformers' ids and texts", async () => {
      const opened = await open(bytesOf(expected.model), expected.files);
      const { tokenizer } = opened;
      golden.texts.forEach((text, i) => {
        expect(idsOf(opened, text), JSON.stringify(text)).toEqual(expected.ids[i]);
      });
      const { padTokenId, eosTokenId, unkTokenId } = tokenizer;
      expect([padTokenId, eosTokenId, unkTokenId]).toEqual(expected.special);
      expect(tokenizer.batchDecode(expected.ids, { skipSpecialTokens: true })).toEqual(
        expected.decoded,
      );
    });

    it("is saved as T5Converter's tokenizer.json, which loads as the same", async () => {
      const { tokenizer } = await open(bytesOf(expected.model), expected.files);
      const target = folder(expected.name);
      await tokenizer.savePretrained(target);
      const saved = await readFile(join(target, "tokenizer.json"), "utf8");
      expect(JSON.parse(saved)).toEqual(expected.tokenizer);
      await rm(join(target, "spiece.model"));
      const again = await Tokenizer.fromPretrained(target);
      for (const text of golden.texts) {
        expect(again.encode(text), JSON.stringify(text)).toEqual(tokenizer.encode(text));
      }
    });
  });

  it("has T5's 100 sentinels where no file says how many, or those of the model", async () => {
    const t5 = await open(spieceModel());
    expect(t5.tokenizer.vocabSize).toBe(PIECES.length + 100);
    expect(idsOf(t5, "<extra_id_0>")).toEqual([PIECES.length + 99, 1]);
    const own = [...PIECES, { text: "▁<extra_id_0>", type: 4 }];
    const mt5 = await open(spieceModel({ pieces: own }));
    expect(mt5.tokenizer.vocabSize).toBe(own.length);
    expect(idsOf(mt5, "<extra_id_0>")).toEqual([PIECES.length, 1]);
    const config = (count: unknown) => ({ "tokenizer_config.json": { extra_ids: count } });
    expect((await open(spieceModel({ pieces: own }), config(2))).tokenizer.vocabSize).toBe(9);
    await expect(open(spieceModel(), config(1e6))).rejects.toThrow(
      "tokenizer_config.json: extra_ids must be a whole number to 10000, got 1000000",
    );
  });

  it("ends a text with the end token that tokenizer_config.json names", async () => {
    const [pad, , ...rest] = PIECES;
    const pieces = [pad!, { text: "[EOS]", type: 3 }, ...rest];
    const named = { "tokenizer_config.json": { eos_token: "[EOS]" } };
    const right = await open(spieceModel({ pieces }), named);
    expect([idsOf(right, "a"), right.warnings]).toEqual([[4, 1], []]);
    const { tokenizer, warnings } = await open(spieceModel({ pieces }));
    expect(tokenizer.eosTokenId).toBe(PIECES.length + 100);
    expect(warnings.join()).toContain("</s> is no piece of the model and gets the new id 106");
  });

  it("says what transformers' conversion leaves out, and nothing of a usual model", async () => {
    expect((await open(spieceModel())).warnings).toEqual([]);
    const { warnings } = await open(
      spieceModel({
        trainer: { 35: 1 },
        normalizer: { 3: 0, 4: 0 },
        denormalizer: { 2: Uint8Array.of(1) },
      }),
    );
    expect(warnings.map((warning) => /\w+_spec\S*/.exec(warning)![0])).toEqual([
      "trainer_spec.byte_fallback",
      "normalizer_spec.add_dummy_prefix",
      "normalizer_spec.remove_extra_whitespaces",
      "denormalizer_spec",
    ]);
  });

  const change = (id: number, fields: object) => ({
    pieces: PIECES.map((piece, i) => (i === id ? { ...piece, ...fields } : piece)),
  });
  const map = (...bytes: number[]) => ({ normalizer: { 2: Uint8Array.from(bytes) } });
  it.each<[string, ModelFields]>([
    ["trainer_spec.model_type must be unigram, as in T5, got bpe", { trainer: { 3: 2 } }],
    ["trainer_spec.model_type must be unigram, as in T5, got type 9", { trainer: { 3: 9 } }],
    ["trainer_spec.treat_whitespace_as_suffix must be false", { trainer: { 24: 1 } }],
    ["normalizer_spec.escape_whitespaces must be true", { normalizer: { 5: 0 } }],
    ["the file must hold pieces, got none", { pieces: [] }],
    ["piece 3 must have a text, got an empty one", change(3, { text: "" })],
    [
      'piece 4 must differ from the others, got "b"',
      { pieces: [...PIECES.slice(0, 3), { text: "b" }, { text: "b" }] },
    ],
    ["piece 5 must have a finite score, got NaN", change(5, { score: NaN })],
    ["piece 5 must have a type from 1 to 6, got 7", change(5, { type: 7 })],
    ["must have one piece for unknown text, got 0", change(2, { type: 1 })],
    ["must have one piece for unknown text, got 2", change(5, { type: 2 })],
    ["trainer_spec.unk_id must name the unknown piece, 2, got 4", { trainer: { 40: 4 } }],
    ["precompiled_charsmap must have at least 4 bytes, got 2", map(1, 2)],
    ["precompiled_charsmap must hold a trie of 4 to 4 bytes, got 8", map(8, 0, 0, 0, 0, 0, 0, 0)],
    ["precompiled_charsmap must hold a trie of 4 to 4 bytes, got 0", map(0, 0, 0, 0, 0, 0, 0, 0)],
    ["precompiled_charsmap must hold a trie of 4 to 4 bytes, got 2", map(2, 0, 0, 0, 0, 0, 0, 0)],
    ["precompiled_charsmap must hold texts of UTF-8", map(4, 0, 0, 0, 0, 0, 0, 0, 255)],
  ])("refuses by name: %s", async (message, fields) => {
    const error: unknown = await open(spieceModel(fields)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TokenizerError);
    expect((error as Error).message).toContain("spiece.model: ");
    expect((error as Error).message).toContain(message);
  });

  it("names files that are none", async () => {
    const text = (content: string) => new TextEncoder().encode(content);
    const refused = async (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
      expect(open(bytes)).rejects.toThrow(message);
    await refused(text("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/);
    await refused(text("<!doctype html>"), /web page/);
    await refused(spieceModel().subarray(0, 20), /must be a SentencePiece model.*damaged/);
    await refused(Uint8Array.of(8, 0), /must be a SentencePiece model.*field 1 has wire type 0/);
    await refused(new Uint8Array(), /the file must hold pieces, got none/);
    await mkdir(folder("none"));
    await writeFile(folder("none/config.json"), "{}");
    await expect(Tokenizer.fromPretrained(folder("none"))).rejects.toThrow(
      "Download the tokenizer's files too: tokenizer.json or spiece.model.",
    );
  });

  it("with bytes changed, cut out, added and repeated, ends in one error or in a tokenizer", async () => {
    const read = async (bytes: Uint8Array): Promise<string | null> => {
      try {
        const opened = await open(new Uint8Array(bytes));
        for (const text of golden.texts) opened.tokenizer.decode(idsOf(opened, text));
        return null;
      } catch (error) {
        if (!(error instanceof TokenizerError)) throw error;
        expect(error.message).toMatch(/^(model files\/spiece\.model: )?.+, got .+\. .+$/);
        expect(error.message.length).toBeLessThan(700);
        return error.message;
      }
    };
    // Lengths beyond the file, endless varints, groups, other fields, NaN.
    const pieces = [
      "0aff ffff ff0f",
      "ffff ffff ffff ffff ffff",
      "0b",
      "1200",
      "1a00",
      "150000c07f",
      "0a00",
    ];
    const hex = (piece: string) => Buffer.from(piece.replaceAll(" ", ""), "hex");
    const model = golden.cases.find(({ name }) => name.startsWith("a charsmap"))!.model;
    const counts = await fuzz(bytesOf(model), {
      runs: 1000 * MORE_RUNS,
      seed: 16,
      pieces: pieces.map(hex),
      read,
    });
    expect(counts.refused).toBeGreaterThan(counts.read / 2);
    expect(counts.read).toBeGreaterThan(0);
  });
});

describe.skipIf(!hasShared)(needsShared("flan-t5-base's spiece.model alone"), () => {
  const digest = (rows: unknown) => createHash("sha256").update(JSON.stringify(rows)).digest("hex");
  const load = () =>
    open(new Uint8Array(readFileSync(shared("models", "flan-t5-base", "spiece.model"))));

  it.each([
    [
      "1,500 dialogues to test",
      ["test"],
      "1ddac24de770927c6dd4c0c49301ab443c0c0de8f561ea1747c1b56bc84aa7df",
    ],
    ...(isFull
      ? [
          [
            "14,460 dialogues",
            ["train", "validation", "test"],
            "eb38f1dfe09edc226415559b071ebaa72e61ade9adbcde474be124865a78d497",
          ] as const,
        ]
      : []),
  ] as const)(
    "gives DialogSum's %s transformers' ids",
    async (_, splits, expected) => {
      const { tokenizer } = await load();
      const dialogues = splits.flatMap((split) => {
        const csv = readFileSync(shared("data", "dialogsum", `${split}.csv`), "utf8");
        return (parse(csv, { columns: true }) as { dialogue: string }[]).map((row) => row.dialogue);
      });
      expect(dialogues).toHaveLength(splits.length > 1 ? 14_460 : 1500);
      expect(digest(tokenizer.encode(dialogues).inputIds)).toBe(expected);
    },
    300_000,
  );

  it.each([
    ["texts", "e59e1849f830054a5e1846ae6bf8ffc451c0592d80979483b4ee42b3647c23d0"],
    ["fixed", "da174d3a9c1b53b274b737f0064fe02d0070163450fa7a0d17ceaf009100a617"],
    ["unicode", "1eea84bd4220e4e06e690a1ccecbc85f261e65c606ed73fef3d61811d8a5d7c9"],
  ] as const)("gives the %s of golden/tokenizer.json transformers' ids", async (kind, expected) => {
    const { tokenizer } = await load();
    const texts = JSON.parse(readFileSync(shared("golden", "tokenizer.json"), "utf8")) as Record<
      typeof kind,
      string[]
    >;
    expect(digest(tokenizer.encode(texts[kind]).inputIds)).toBe(expected);
  });
});
