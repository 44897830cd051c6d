// SentencePiece models for tests, written field by field (src/sentencepiece_model.proto of google/sentencepiece).

import { BinaryWriter } from "@bufbuild/protobuf/wire";

export interface PieceFields {
  readonly text: string;
  readonly score?: number;
  /** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  readonly type?: number;
}

export interface ModelFields {
  readonly pieces?: readonly PieceFields[];
  /** Numbers of trainer_spec by their field numbers. */
  readonly trainer?: Readonly<Record<number, number>>;
  /** Numbers and bytes of normalizer_spec by their field numbers. */
  readonly normalizer?: Readonly<Record<number, number | Uint8Array>>;
  readonly denormalizer?: Readonly<Record<number, number | Uint8Array>>;
}

/** T5's first pieces, and two words. */
export const PIECES: readonly PieceFields[] = [
  { text: "<pad>", type: 3 },
  { text: "</s>", type: 3 },
  { text: "<unk>", type: 2 },
  { text: "▁", score: -3 },
  { text: "▁a", score: -1 },
  { text: "b", score: -2 },
];

export function spieceModel(fields: ModelFields = {}): Uint8Array<ArrayBuffer> {
  const { pieces = PIECES, trainer = {}, normalizer = {}, denormalizer = {} } = fields;
  const writer = new BinaryWriter();
  for (const { text, score = 0, type = 1 } of pieces) {
    const piece = new BinaryWriter().tag(1, 2).string(text).tag(2, 5).float(score);
    writer.tag(1, 2).bytes(piece.tag(3, 0).int32(type).finish());
  }
  const specs = [trainer, normalizer, undefined, denormalizer];
  specs.forEach((spec, i) => {
    if (spec !== undefined) writer.tag(2 + i, 2).bytes(specOf(spec));
  });
  return new Uint8Array(writer.finish());
}

function specOf(fields: Readonly<Record<number, number | Uint8Array>>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of Object.entries(fields)) {
    if (typeof value === "number") writer.tag(Number(number), 0).int32(value);
    else writer.tag(Number(number), 2).bytes(value);
  }
  return writer.finish();
}
