import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { cast } from "../../src/autograd/ops/cast.ts";
import { mul, sum } from "../../src/autograd/index.ts";
import type { Dtype } from "../../src/tensor/dtype.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../src/tensor/half.ts";
import { scope } from "../../src/tensor/scope.ts";
import { empty, tensor, zeros } from "../../src/tensor/tensor.ts";
import { cast as reference } from "../reference/cast.ts";
import { describeOp } from "../support/describeOp.ts";
import { cpu, plain } from "../support/device.ts";
import { dim, seed, uniform, values, wideDim } from "../support/random.ts";

const devices = [
  ["plain", plain],
  ["wasm", cpu],
] as const;

describeOp({
  name: "cast",
  arbitrary: fc.record({ rows: dim, cols: wideDim, seed }),
  build({ rows, cols, seed }) {
    const x = values(rows * cols, seed);
    const whole = Int32Array.from(values(rows * cols, seed + 1), (value) => Math.round(9 * value));
    return {
      inputs: [
        { shape: [rows, cols], values: whole, kind: "i32" as const },
        { shape: [rows, cols], values: x },
      ],
      // Into the dtype that the test runs in, and from it into itself: both ways through `cast`.
      apply: ([whole, x]) => mul(cast(whole!, x!.dtype), cast(x!, x!.dtype)),
      expected: { shape: [rows, cols], values: x.map((value, i) => value * whole[i]!) },
    };
  },
  constants: {},
});

it.each([
  ["bf16", 8],
  ["f16", 11],
] as const)("rounds to %s to nearest even, and lets gradients through", async (dtype, bits) => {
  const x = [...values(257, 5, 3), 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -11, 1 + 3 * 2 ** -11];
  for (const device of [cpu, plain]) {
    const { y, dx } = scope(() => {
      const leaf = tensor(x, [x.length], { device, dtype: "f32", requiresGrad: true });
      const y = cast(cast(leaf, dtype), "f32");
      return {
        y: y.data(),
        dx: backward(sum(mul(y, y)))
          .get(leaf)!
          .data(),
      };
    });
    const rounded = x.map((value) => reference(Math.fround(value), bits));
    expect([...(await y)]).toEqual(rounded);
    expect([...(await dx)]).toEqual(rounded.map((value) => 2 * value));
  }
});

/** Bits of f32 numbers, NaN as one pattern: runtimes are free to change a NaN's payload. */
function bitsOf(x: Float32Array): Uint32Array {
  return new Uint32Array(x.buffer, x.byteOffset, x.length).map((bits, i) =>
    Number.isNaN(x[i]!) ? 0x7fc00000 : bits,
  );
}

describe.each(devices)("16-bit words, %s", (_title, device) => {
  it.each([
    ["f16", float16ToFloat32],
    ["bf16", bfloat16ToFloat32],
  ] as const)("every one of %s becomes its f32", async (dtype, widen) => {
    // One short of all and starting at 1, so that the last vector is not full.
    const words = Uint16Array.from({ length: 65535 }, (_, i) => i + 1);
    const x = empty(device, [words.length], dtype);
    device.write(x.storage, dtype, words);
    const [y] = scope(() => [cast(x, "f32").data() as Promise<Float32Array>]);
    x.dispose();
    const [ours, expected] = [bitsOf(await y!), bitsOf(Float32Array.from(words, widen))];
    const wrong = ours.findIndex((word, at) => word !== expected[at]);
    expect(wrong, `word ${words[wrong]}`).toBe(-1);
  });

  it.each([
    ["f16", float32ToFloat16, 0x7e00],
    ["bf16", float32ToBfloat16, 0x7fc0],
  ] as const)("f32 of all sizes are rounded to %s", async (dtype, narrow, quietNaN) => {
    const next = uniform(23);
    const bits = Uint32Array.from({ length: 200_001 }, () => next() * 2 ** 32);
    // Ties, and what lies just beside them, in every binade.
    for (let exponent = 0; exponent < 256; exponent++) {
      const base = 512 * exponent;
      for (let i = 0; i < 512; i++) {
        const tie = dtype === "bf16" ? ((i >> 3) << 16) | 0x8000 : ((i >> 3) << 13) | 0x1000;
        bits[base + i] = ((i & 4) << 29) | (exponent << 23) | (tie + (i & 3) - 1);
      }
    }
    const values = new Float32Array(bits.buffer);
    const [stored] = scope(() => {
      const y = cast(tensor(values, [values.length], { device }), dtype);
      return [device.readStored(y.storage, dtype, y.size)];
    });
    const words = Uint16Array.from(await stored!);
    const wrong = values.findIndex((value, i) =>
      Number.isNaN(value) ? (words[i]! & quietNaN) !== quietNaN : words[i] !== narrow(value),
    );
    expect(wrong, `${values[wrong]}: ${words[wrong]}`).toBe(-1);
  });
});

describe.each(devices)("conversions, %s", (_title, device) => {
  it.each<[from: Dtype, to: Dtype, x: number[], y: number[]]>([
    ["f32", "f64", [1.5, -0, Infinity, NaN, 2 ** -149], [1.5, -0, Infinity, NaN, 2 ** -149]],
    ["f64", "f32", [1 + 2 ** -30, 1e300, -1e-300, NaN], [1, Infinity, -0, NaN]],
    ["f64", "bf16", [1 + 2 ** -8, 1 + 3 * 2 ** -8, 1e39], [1, 1 + 2 ** -6, Infinity]],
    ["bf16", "f64", [1.5, -3e38], [1.5, -226 * 2 ** 120]],
    ["f16", "bf16", [1 + 2 ** -8, 1 + 3 * 2 ** -8, 65504], [1, 1 + 2 ** -6, 65536]],
    ["bf16", "f16", [65536, 2 ** -25, 3 * 2 ** -25, -1.5], [Infinity, 0, 2 ** -23, -1.5]],
    ["f32", "i32", [1.9, -1.9, 3e9, -3e9, NaN, -0.5], [1, -1, 2 ** 31 - 1, -(2 ** 31), 0, 0]],
    ["f32", "u32", [1.9, -1, 3e9, 5e9, NaN], [1, 0, 3e9, 2 ** 32 - 1, 0]],
    ["f64", "i32", [2 ** 31 - 1.5, 16777217], [2 ** 31 - 2, 16777217]],
    ["i32", "f32", [-5, 16777217, 2 ** 31 - 1], [-5, 16777216, 2 ** 31]],
    ["u32", "f32", [5, 2 ** 32 - 1], [5, 2 ** 32]],
    ["i32", "f64", [16777217], [16777217]],
    ["f32", "bool", [0, -0, 0.5, -3, NaN, 1e-40], [0, 0, 1, 1, 1, 1]],
    ["bool", "f32", [1, 0, 1], [1, 0, 1]],
    ["i32", "bool", [0, 7, -1], [0, 1, 1]],
    ["bool", "i32", [1, 0], [1, 0]],
    ["i32", "bf16", [257, 259, -7], [256, 260, -7]],
    ["f16", "i32", [-2.5, 65504], [-2, 65504]],
  ])("%s to %s", async (from, to, x, expected) => {
    const [y] = scope(() => {
      const y = cast(tensor(x, [x.length], { device, dtype: from }), to);
      expect(y.dtype).toBe(to);
      return [y.data()];
    });
    expect([...(await y!)]).toEqual(expected);
  });

  it("between i32 and u32 there is none", () => {
    const x = zeros([2], { device, dtype: "u32" });
    const before = device.memory();
    expect(() => cast(x, "i32")).toThrow(
      "cast: must not be between i32 and u32, got u32 to i32. Cast to f64 in between.",
    );
    expect(device.memory().bytes).toBe(before.bytes);
  });

  it("to the same dtype shares storage", () => {
    scope(() => {
      const x = zeros([2], { device });
      expect(cast(x, "f32").storage).toBe(x.storage);
      expect(cast(x, "f32")).not.toBe(x);
    });
  });
});

it("gives a gradient of x's dtype, f32 for 16-bit floats, none through integers", async () => {
  const gradients = scope(() =>
    (["f64", "f32", "bf16", "f16"] as const).map((dtype) => {
      const x = tensor([1, 2, 3], [3], { device: plain, dtype, requiresGrad: true });
      const y = cast(x, dtype === "f64" ? "f32" : "f64");
      const dx = backward(sum(mul(y, y))).get(x)!;
      return { dtype: dx.dtype, data: dx.data() };
    }),
  );
  expect(gradients.map((dx) => dx.dtype)).toEqual(["f64", "f32", "f32", "f32"]);
  for (const dx of gradients) expect([...(await dx.data)]).toEqual([2, 4, 6]);
  scope(() => {
    const x = zeros([2], { device: cpu, requiresGrad: true });
    expect(cast(x, "i32").requiresGrad).toBe(false);
    expect(cast(x, "bool").node).toBeNull();
  });
});
