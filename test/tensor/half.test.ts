import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteLength, fromStorage, toStorage } from "../../src/tensor/dtype.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../src/tensor/half.ts";

/** The two formats by their definition: bits of fraction, least normal exponent, largest finite value. */
const formats = {
  f16: {
    fraction: 10,
    minExponent: -14,
    max: 65504,
    signBit: 0x8000,
    infinity: 0x7c00,
    encode: float32ToFloat16,
    decode: float16ToFloat32,
  },
  bf16: {
    fraction: 7,
    minExponent: -126,
    max: (2 - 2 ** -7) * 2 ** 127,
    signBit: 0x8000,
    infinity: 0x7f80,
    encode: float32ToBfloat16,
    decode: bfloat16ToFloat32,
  },
} as const;
type Format = (typeof formats)[keyof typeof formats];

/** Rounds to nearest even in exact double arithmetic, knowing nothing of bit patterns. */
function roundToFormat(value: number, { fraction, minExponent, max }: Format): number {
  if (!Number.isFinite(value) || value === 0) return value;
  let exponent = Math.floor(Math.log2(Math.abs(value)));
  if (2 ** exponent > Math.abs(value)) exponent--; // log2 may round up
  if (2 ** (exponent + 1) <= Math.abs(value)) exponent++;
  const unit = 2 ** (Math.max(exponent, minExponent) - fraction);
  const scaled = Math.abs(value) / unit;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 === 1);
  const rounded = (below + (up ? 1 : 0)) * unit;
  return Math.sign(value) * (rounded > max ? Infinity : rounded);
}

describe.each(Object.entries(formats))("%s", (_name, format) => {
  const { encode, decode, infinity, fraction, minExponent, signBit } = format;

  it("gives every one of the 65,536 patterns the value of its definition", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const biased = (bits & (signBit - 1)) >> fraction;
      const significand = bits & (2 ** fraction - 1);
      const isSpecial = biased === infinity >> fraction;
      const magnitude = isSpecial
        ? significand === 0
          ? Infinity
          : NaN
        : biased === 0
          ? significand * 2 ** (minExponent - fraction)
          : (2 ** fraction + significand) * 2 ** (biased - 1 + minExponent - fraction);
      const value = bits & signBit ? -magnitude : magnitude;
      if (!Object.is(decode(bits), value)) expect(decode(bits), `bits ${bits}`).toBe(value);
    }
  });

  it("takes every pattern back from its value; NaN stays NaN with its sign", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const isNaNPattern = (bits & (signBit - 1)) > infinity;
      const back = encode(decode(bits));
      if (isNaNPattern) expect(back & (signBit - 1), `bits ${bits}`).toBeGreaterThan(infinity);
      else if (back !== bits) expect(back, `bits ${bits}`).toBe(bits);
    }
  });

  it("rounds halfway values to even, and their neighbours to the nearer side", () => {
    const neighbours = new Float32Array(1);
    const pattern = new Uint32Array(neighbours.buffer);
    for (let bits = 0; bits < infinity - 1; bits++) {
      const middle = Math.fround(decode(bits) + (decode(bits + 1) - decode(bits)) / 2);
      const even = bits % 2 === 0 ? bits : bits + 1;
      neighbours[0] = middle;
      pattern[0] = pattern[0]! - 1;
      const below = encode(neighbours[0]);
      pattern[0] = pattern[0]! + 2;
      const above = encode(neighbours[0]);
      const got = [encode(middle), encode(-middle), below, above];
      const want = [even, even + signBit, bits, bits + 1];
      if (got.join() !== want.join()) expect(got, `above bits ${bits}`).toEqual(want);
    }
  });

  it("agrees with exact rounding on any float32", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true }), (value) => {
        expect(decode(encode(value))).toBe(roundToFormat(value, format));
      }),
      { numRuns: 5000 },
    );
  });

  it("overflows to infinity from halfway past the largest value", () => {
    const halfway = format.max + (format.max - decode(infinity - 2)) / 2;
    expect(encode(halfway)).toBe(infinity);
    expect(encode(-halfway)).toBe(infinity + signBit);
    expect(encode(Math.fround(format.max))).toBe(infinity - 1);
  });
});

describe("storage", () => {
  it("stores 16-bit floats as bits and hands them back as float32", () => {
    const bits = toStorage("f16", [1, -2.5, 65520]);
    expect(bits).toEqual(Uint16Array.of(0x3c00, 0xc100, 0x7c00));
    expect(fromStorage("f16", bits)).toEqual(Float32Array.of(1, -2.5, Infinity));
    expect(toStorage("bf16", [1, -2.5, 1.00390625])).toEqual(
      Uint16Array.of(0x3f80, 0xc020, 0x3f80),
    );
  });

  it("stores bool as 0 or 1 in whole words and hands it back as bytes", () => {
    expect(toStorage("bool", [0, 1, 7])).toEqual(Uint32Array.of(0, 1, 1));
    expect(fromStorage("bool", Uint32Array.of(0, 1))).toEqual(Uint8Array.of(0, 1));
  });

  it("hands out copies, never views", () => {
    const stored = Float32Array.of(1, 2);
    const copy = fromStorage("f32", stored);
    stored[0] = 5;
    expect(copy).toEqual(Float32Array.of(1, 2));
  });

  it("pads an odd number of 16-bit floats to whole words", () => {
    expect([0, 1, 2, 3].map((size) => byteLength("bf16", size))).toEqual([0, 4, 4, 8]);
    expect(byteLength("f64", 3)).toBe(24);
  });
});
