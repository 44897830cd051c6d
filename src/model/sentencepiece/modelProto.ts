// The messages of sentencepiece_model.proto (github.com/google/sentencepiece, src/sentencepiece_model.proto) that decide
// a tokenizer, read from a file. Field numbers and defaults are that file's.

import type { BinaryReader } from "@bufbuild/protobuf/wire";
import { TokenizerError } from "../../tensor/errors.ts";

/** `ModelProto.SentencePiece.Type`. */
export const PIECE_TYPE = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** `TrainerSpec.ModelType`. */
export const MODEL_TYPE = { unigram: 1, bpe: 2, word: 3, char: 4 } as const;

export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/** What of `ModelProto` decides ids. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  readonly trainer: {
    modelType: number;
    treatWhitespaceAsSuffix: boolean;
    byteFallback: boolean;
    /** Undefined where the file does not say. */
    unkId: number | undefined;
  };
  readonly normalizer: {
    precompiledCharsmap: Uint8Array;
    addDummyPrefix: boolean;
    removeExtraWhitespaces: boolean;
    escapeWhitespaces: boolean;
  };
  readonly denormalizer: { precompiledCharsmap: Uint8Array };
}

/** What reads the value of a field, by the field's number; `wire` is how protobuf stores it. */
type Fields = Readonly<Record<number, { wire: number; read: (reader: BinaryReader) => void }>>;

const WIRE = { varint: 0, bytes: 2, float: 5 } as const;

/**
 * @param file name of the file, for messages
 * @throws {TokenizerError} for bytes that are no SentencePiece model
 */
export async function readModelProto(file: string, bytes: Uint8Array): Promise<SentencePieceModel> {
  // Loaded here, for most tokenizers are a tokenizer.json.
  const { BinaryReader } = await import("@bufbuild/protobuf/wire");
  const read = (message: Uint8Array, fields: Fields): void => {
    readFields(new BinaryReader(message), fields);
  };
  try {
    return readModel(bytes, read);
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, " ");
    throw new TokenizerError(
      `${file}: must be a SentencePiece model, got bytes that are none (${reason}). ${whatItIs(bytes)}`,
      { cause: error },
    );
  }
}

function readModel(
  bytes: Uint8Array,
  read: (message: Uint8Array, fields: Fields) => void,
): SentencePieceModel {
  const pieces: Piece[] = [];
  const trainer: SentencePieceModel["trainer"] = {
    modelType: MODEL_TYPE.unigram,
    treatWhitespaceAsSuffix: false,
    byteFallback: false,
    unkId: undefined,
  };
  const normalizer = {
    precompiledCharsmap: new Uint8Array() as Uint8Array,
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  };
  const denormalizer = { precompiledCharsmap: new Uint8Array() as Uint8Array };
  read(bytes, {
    1: message((piece) => pieces.push(readPiece(piece, read))),
    2: message((spec) =>
      read(spec, {
        3: number((value) => (trainer.modelType = value)),
        24: flag((value) => (trainer.treatWhitespaceAsSuffix = value)),
        35: flag((value) => (trainer.byteFallback = value)),
        40: number((value) => (trainer.unkId = value)),
      }),
    ),
    3: message((spec) =>
      read(spec, {
        2: message((map) => (normalizer.precompiledCharsmap = map)),
        3: flag((value) => (normalizer.addDummyPrefix = value)),
        4: flag((value) => (normalizer.removeExtraWhitespaces = value)),
        5: flag((value) => (normalizer.escapeWhitespaces = value)),
      }),
    ),
    5: message((spec) =>
      read(spec, { 2: message((map) => (denormalizer.precompiledCharsmap = map)) }),
    ),
  });
  return { pieces, trainer, normalizer, denormalizer };
}

function readPiece(bytes: Uint8Array, read: (message: Uint8Array, fields: Fields) => void): Piece {
  const piece = { text: "", score: 0, type: PIECE_TYPE.normal as number };
  read(bytes, {
    1: { wire: WIRE.bytes, read: (reader) => (piece.text = reader.string(true)) },
    2: { wire: WIRE.float, read: (reader) => (piece.score = reader.float()) },
    3: number((value) => (piece.type = value)),
  });
  return piece;
}

const message = (use: (bytes: Uint8Array) => unknown) => ({
  wire: WIRE.bytes,
  read: (reader: BinaryReader) => void use(reader.bytes()),
});
const number = (use: (value: number) => unknown) => ({
  wire: WIRE.varint,
  read: (reader: BinaryReader) => void use(reader.int32()),
});
const flag = (use: (value: boolean) => unknown) => ({
  wire: WIRE.varint,
  read: (reader: BinaryReader) => void use(reader.bool()),
});

/** A field that comes again replaces what was there; fields that decide nothing here are skipped. */
function readFields(reader: BinaryReader, fields: Fields): void {
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields[number];
    if (field === undefined) {
      reader.skip(wire, number);
      continue;
    }
    if (wire !== field.wire) throw new Error(`field ${number} has wire type ${wire}`);
    field.read(reader);
  }
}

/** Names the files that are most often mistaken for one. */
function whatItIs(bytes: Uint8Array): string {
  const start = new TextDecoder().decode(bytes.subarray(0, 64));
  if (start.startsWith("version https://git-lfs")) {
    return "The file is a Git LFS pointer: run git lfs pull in its folder.";
  }
  if (/^\s*</.test(start)) return "The file is a web page: download it again.";
  return "The file is damaged or of another kind: download it again.";
}
