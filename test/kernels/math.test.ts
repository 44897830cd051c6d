// The vectorised exp and tanh of src/kernels/wasm/assembly/math.ts over their whole range, in units in
// the last place (ulp) of the exact result.

import { describe, expect, it } from "vitest";
import { createMemory } from "../../src/tensor/memoryPool.ts";
import {
  bindWasm,
  compileWasm,
  variantsHere,
  type WasmVariant,
} from "../../src/kernels/wasm/load.ts";
import { uniform } from "../support/random.ts";

const SIZE = 200_003; // no whole number of vectors
const variants = await variantsHere();

/** `op` of wasm/assembly/unary.ts. */
const places = { exp: 0, tanh: 3 };

async function bind(variant: WasmVariant) {
  const memory = createMemory();
  memory.grow(64);
  const { functions, heapBase } = await bindWasm(await compileWasm(variant), memory);
  return (name: keyof typeof places, x: Float32Array): Float32Array => {
    const begin = Math.ceil(heapBase / 64) * 64;
    const input = new Float32Array(memory.buffer, begin, x.length);
    const output = new Float32Array(memory.buffer, begin + 4 * x.length, x.length);
    input.set(x);
    functions["unaryForward"]!(
      places[name],
      input.byteOffset,
      output.byteOffset,
      x.length,
      0,
      x.length,
    );
    return output.slice();
  };
}

/** Spacing of f32 numbers at |value|. */
function ulp(value: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23);
}

function mostUlps(x: Float32Array, y: Float32Array, exact: (x: number) => number): number {
  return x.reduce((most, value, i) => {
    const truth = exact(value);
    return Math.max(most, Math.abs(y[i]! - truth) / ulp(truth));
  }, 0);
}

/** Numbers of [low, high), dense enough to meet every power of two many times. */
function spread(low: number, high: number): Float32Array {
  const next = uniform(17);
  return Float32Array.from({ length: SIZE }, () => low + (high - low) * next());
}

describe.each(variants)("in the %s variant", async (variant) => {
  const run = await bind(variant);

  it("exp is within 2 ulp wherever the result is a normal number", () => {
    for (const x of [spread(-87.33, 88.72), spread(-1, 1), spread(-1e-3, 1e-3)]) {
      expect(mostUlps(x, run("exp", x), Math.exp)).toBeLessThan(2);
    }
  });

  it("exp is right at every f32 around its ends: one of them once gave NaN", () => {
    for (const end of [Math.log(3.4028234663852886e38), -126 * Math.LN2]) {
      const words = Int32Array.from({ length: 601 }, (_, i) => i - 300);
      const bits = new Int32Array(Float32Array.of(end).buffer)[0]!;
      const x = new Float32Array(words.map((step) => bits + step).buffer);
      const y = run("exp", x);
      for (const [i, value] of x.entries()) {
        const truth = Math.fround(Math.exp(value));
        if (truth === Infinity) expect(y[i], `${value}`).toBe(Infinity);
        else if (truth < 2 ** -126) expect(y[i], `${value}`).toBe(0);
        else {
          expect(Math.abs(y[i]! - truth) / ulp(truth), `${value}`).toBeLessThanOrEqual(2);
        }
      }
      const halves = run(
        "tanh",
        x.map((value) => value / 2),
      );
      expect([...halves]).toEqual([...x].map((value) => Math.sign(value)));
    }
  });

  it("exp saturates beyond", () => {
    const x = [
      88.722,
      88.73,
      89,
      1e4,
      3.4e38,
      Infinity,
      -87.34,
      -88,
      -104,
      -1e4,
      -3.4e38,
      -Infinity,
    ];
    const y = [...run("exp", Float32Array.from([...x, NaN, 0, -0]))];
    expect(y[0]! / Math.exp(Math.fround(88.722))).toBeCloseTo(1, 6);
    expect(y.slice(1)).toEqual([
      ...new Array(5).fill(Infinity),
      ...new Array(6).fill(0),
      NaN,
      1,
      1,
    ]);
  });

  it("tanh is within 2 ulp everywhere", () => {
    for (const x of [
      spread(-10, 10),
      spread(-0.7, 0.7),
      spread(-1e-3, 1e-3),
      spread(-1e-30, 1e-30),
    ]) {
      expect(mostUlps(x, run("tanh", x), Math.tanh)).toBeLessThan(2);
    }
  });

  it("tanh saturates at ±1", () => {
    const x = Float32Array.of(20, -20, 1e4, -1e4, 3.4e38, -3.4e38, Infinity, -Infinity, NaN, 0, -0);
    expect([...run("tanh", x)]).toEqual([1, -1, 1, -1, 1, -1, 1, -1, NaN, 0, -0]);
  });
});
