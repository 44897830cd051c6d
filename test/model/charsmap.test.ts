// SentencePiece's character maps of files that mean harm.

import { expect, it } from "vitest";
import { Charsmap } from "../../src/model/tokenization/charsmap.ts";
import { TokenizerError } from "../../src/tensor/errors.ts";

/** A map that makes `length` letters of one "a". */
function growing(length: number): Uint8Array {
  const units = new Uint32Array(512);
  units[0] = 256 << 10; // children at 256
  const child = 256 ^ 0x61;
  units[child] = 0x61 | (1 << 8) | (1 << 10); // "a", with a value beside it
  units[child ^ 1] = 0x8000_0000; // the text at byte 0
  const size = Buffer.alloc(4);
  size.writeUInt32LE(units.byteLength);
  return Buffer.concat([size, Buffer.from(units.buffer), Buffer.alloc(length, "b"), Buffer.of(0)]);
}

it("a map may make 1,024 bytes of a character, and no more", () => {
  expect(() => new Charsmap(growing(1024))).not.toThrow();
  expect(() => new Charsmap(growing(1025))).toThrow(TokenizerError);
  expect(() => new Charsmap(growing(1_000_000))).toThrow("a replacement of 1000000 bytes");
});
