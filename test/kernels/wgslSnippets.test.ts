// The WGSL functions that kernels share, against the TypeScript functions that they repeat.

import { describe, expect, it } from "vitest";
import { geluSlope, geluValue } from "../../src/kernels/pointwise/pointwise.ts";
import { defineKernel, launch } from "../../src/kernels/kernel.ts";
import { bf16, f16 } from "../../src/kernels/wgsl/halfs.ts";
import { tanhGelu, safeTanh, wgslSigmoid } from "../../src/kernels/wgsl/math.ts";
import { philox } from "../../src/kernels/wgsl/philox.ts";
import { workgroupMax, workgroupSum } from "../../src/kernels/wgsl/reduce.ts";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../src/tensor/half.ts";
import { StreamWords } from "../../src/tensor/philox.ts";
import { empty, tensor } from "../../src/tensor/tensor.ts";
import type { WgslSnippet } from "../../src/tensor/wgsl.ts";
import { gpu } from "../support/gpu.ts";
import { values } from "../support/random.ts";

let kernels = 0;

/** Runs `y[i] = expression` on the GPU for `x`, one invocation for each element; in the shader `i` is the index. */
async function evaluate<X extends "f32" | "u32", Y extends "f32" | "u32">(
  x: { readonly type: X; readonly values: ArrayLike<number> },
  type: Y,
  uses: readonly WgslSnippet[],
  expression: string,
): Promise<ArrayLike<number>> {
  const kernel = defineKernel({
    name: `evaluate${kernels++}`,
    inputs: { x: x.type },
    outputs: { y: type },
    params: { size: "u32" },
    wgsl: {
      uses,
      invocations: ({ size }) => size,
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  let value = ${expression};
  if (i < params.size) { y[i] = value; }
}`,
    },
    plain: () => {
      throw new Error("runs on the GPU only");
    },
  });
  const size = x.values.length;
  const input = tensor(x.values, [size], { device: gpu, dtype: x.type });
  const output = empty(gpu, [size], type);
  launch(kernel, { x: input, y: output } as never, { size });
  return output.data();
}

const allHalfs = Uint32Array.from({ length: 65536 }, (_, bits) => bits);
const allPairs = Uint32Array.from(
  { length: 65536 },
  (_, bits) => (bits | ((65535 - bits) << 16)) >>> 0,
);

describe("16-bit floats", () => {
  it.each([
    { name: "bf16", snippet: bf16, unpack: "unpackBf16", value: bfloat16ToFloat32 },
    { name: "f16", snippet: f16, unpack: "unpackF16", value: float16ToFloat32 },
  ])("unpacks every pair of $name", async ({ snippet, unpack, value }) => {
    const words = { type: "u32", values: allPairs } as const;
    // As bits, because an f32 result may be flushed or have its NaN changed on the way.
    const low = await evaluate(words, "u32", [snippet], `bitcast<u32>(${unpack}(x[i]).x)`);
    const high = await evaluate(words, "u32", [snippet], `bitcast<u32>(${unpack}(x[i]).y)`);
    const bitsOf = (half: number) => new Uint32Array(Float32Array.of(value(half)).buffer)[0]!;
    const isNumber = (half: number) => !Number.isNaN(value(half));
    const wrong = [...allHalfs].filter(
      (half) =>
        isNumber(half) && (low[half] !== bitsOf(half) || high[65535 - half] !== bitsOf(half)),
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    {
      name: "bf16",
      snippet: bf16,
      pack: "packBf16",
      bits: float32ToBfloat16,
      from: bfloat16ToFloat32,
    },
    { name: "f16", snippet: f16, pack: "packF16", bits: float32ToFloat16, from: float16ToFloat32 },
  ])("rounds to $name as the CPU does: every value, every tie, and random ones", async (half) => {
    const exact = [...allHalfs].map(half.from).filter((value) => Number.isFinite(value));
    const ascending = exact.filter((value) => value >= 0).sort((a, b) => a - b);
    const ties = ascending.slice(1).map((value, i) => (value + ascending[i]!) / 2);
    const list = [...exact, ...ties, ...values(20_000, 3, 1e4), 65519, 65520, 3e38, 1e-30, 5e-8];
    // Numbers below 2^-126 may be flushed to 0 by the GPU.
    const normal = list.filter((value) => value === 0 || Math.abs(value) >= 2 ** -126);
    const packed = await evaluate(
      { type: "f32", values: normal },
      "u32",
      [half.snippet],
      `${half.pack}(vec2<f32>(x[i], -x[i]))`,
    );
    const wrong = normal.filter((value, i) => {
      const expected = (half.bits(value) | (half.bits(-value) << 16)) >>> 0;
      return packed[i] !== expected;
    });
    expect(wrong).toEqual([]);
  });
});

describe("philox", () => {
  it("draws the words that the CPU draws", async () => {
    const indices = Uint32Array.from({ length: 1000 }, (_, i) => (i < 900 ? i : 4294967295 - i));
    const [seedLow, seedHigh, offset] = [0xdeadbeef, 0x1fffff, 4294967290];
    const words = await evaluate(
      { type: "u32", values: indices },
      "u32",
      [philox],
      `philoxWord(x[i], ${offset}u, ${seedLow}u, ${seedHigh}u)`,
    );
    const stream = new StreamWords([seedLow, seedHigh], offset);
    expect(Array.from(words)).toEqual([...indices].map((i) => stream.word(i)));
  });
});

describe("functions at the extremes", () => {
  const extremes = [0, -0, 1e-30, 1, -1, 9, -9, 12, 44, 88, 90, 1e4, -1e4, 3e38, -3e38];
  const list = [...extremes, ...values(500, 5, 4)];
  it.each([
    { call: "safeTanh", snippet: safeTanh, exact: Math.tanh },
    { call: "sigmoid", snippet: wgslSigmoid, exact: (x: number) => 1 / (1 + Math.exp(-x)) },
    { call: "geluValue", snippet: tanhGelu, exact: geluValue },
    { call: "geluSlope", snippet: tanhGelu, exact: geluSlope },
  ])("$call", async ({ call, snippet, exact }) => {
    const inRange = call.startsWith("gelu") ? list.filter((x) => Math.abs(x) <= 1e4) : list;
    const ours = await evaluate(
      { type: "f32", values: inRange },
      "f32",
      [snippet],
      `${call}(x[i])`,
    );
    const errors = inRange.map((x, i) => {
      const expected = exact(Math.fround(x));
      return Math.abs(ours[i]! - expected) / Math.max(1, Math.abs(expected));
    });
    expect(Math.max(...errors)).toBeLessThan(2e-6);
  });
});

describe("reductions of a workgroup", () => {
  it("give every invocation the sum and the maximum", async () => {
    const list = values(256, 9).map(Math.fround);
    const input = { type: "f32", values: list } as const;
    const sums = await evaluate(input, "f32", [workgroupSum], "workgroupSum(local, x[i])");
    const greatest = await evaluate(input, "f32", [workgroupMax], "workgroupMax(local, x[i])");
    const sum = list.reduce((total, x) => total + x, 0);
    expect(new Set(Array.from(sums)).size).toBe(1);
    expect(sums[0]).toBeCloseTo(sum, 4);
    expect(Array.from(greatest)).toEqual(new Array(256).fill(Math.max(...list)));
  });
});
