// Attention on matrix units against the f64 bodies: forward and backward, with bias, masks, causal rows, dropout and heads of
// all widths. Where the adapter has no units with f16 operands (SwiftShader has none, lavapipe has), the tests say so.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attention } from "../../src/autograd/ops/attention.ts";
import { unitsOf } from "../../src/kernels/attention/units.ts";
import {
  makeCase,
  makePackedCase,
  randomMask,
  type AttentionTest,
} from "../support/attentionCase.ts";
import { checkOnWebGpu } from "../support/describeOp.ts";
import { MORE_RUNS } from "../support/full.ts";
import { gpu } from "../support/gpu.ts";
import { seed, values } from "../support/random.ts";

const rounding: typeof attention = (q, k, v, options) =>
  attention(q, k, v, { ...options, roundToF16: true });

const sizes = { queries: 64, keys: 64 };
const hasUnits = unitsOf(gpu.adapter, sizes, true) !== null;

describe("attention on matrix units", () => {
  it("is for products that may be rounded, on adapters that have f16 units, of 16 queries and keys or more", () => {
    const shape = { componentType: "f16", resultType: "f32", m: 16, n: 16, k: 16 };
    const features = ["subgroups", "shader-f16", "chromium-experimental-subgroup-matrix"];
    const card = {
      ...{ ...gpu.adapter, features: new Set(features), subgroupMatrices: [shape] },
      ...{ subgroupSize: { min: 32, max: 32 }, workgroupBytes: 49152 },
    };
    expect(unitsOf(card, sizes, true)).toBe(shape);
    expect(unitsOf(card, sizes, false)).toBeNull();
    expect(unitsOf(card, { queries: 15, keys: 64 }, true)).toBeNull();
    const single = { ...shape, componentType: "f32", m: 8, n: 8, k: 8 };
    expect(unitsOf({ ...card, subgroupMatrices: [single] }, sizes, true)).toBeNull();
  });
});

describe.runIf(hasUnits)("on this adapter's matrix units attention", () => {
  const features: Record<string, (c: AttentionTest) => object> = {
    "with bias, padding and dropout": ({ B, T, S, H, seed }) => ({
      bias: values(H * T * S, seed + 3),
      mask: randomMask(B, S, seed),
      dropout: { p: 0.3, seed, offset: T },
    }),
    "of causal rows": ({ T, S, H, seed }) => ({
      ...{ bias: values(H * T * S, seed + 3), causal: true, scale: 0.5 },
    }),
  };
  it.each(Object.entries(features))("%s equals the f64 bodies to 11 bits", (_title, add) =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          ...{ B: fc.constantFrom(1, 2, 3), H: fc.constantFrom(1, 2), seed },
          ...{ T: fc.constantFrom(16, 33, 65, 70), S: fc.constantFrom(17, 64, 67) },
          D: fc.constantFrom(7, 16, 64),
        }),
        (c) => {
          const options = { ...c, size: 1.4 / Math.sqrt(c.D) };
          return checkOnWebGpu(makeCase({ ...options, ...add(options) }, rounding), {
            tolerance: 1e-3,
          });
        },
      ),
      { numRuns: 3 * MORE_RUNS, seed: 20261129 },
    ),
  );

  it("of packed rows equals the f64 bodies to 11 bits", () => {
    const lengths = [33, 1, 70, 16];
    const c = { T: lengths, S: lengths, H: 2, D: 16, seed: 7, size: 0.35 };
    const bias = values(2 * 70 * 70, 10);
    const packed = makePackedCase(
      { ...c, bias, dropout: { p: 0.3, seed: 7, offset: 1 } },
      rounding,
    );
    return checkOnWebGpu(packed, { tolerance: 1e-3 });
  });

  it("keeps values of 1e5 and of 1e-7 in range", () =>
    checkOnWebGpu(
      makeCase(
        {
          ...{ B: 1, H: 1, T: 32, S: 32, D: 16, seed: 5 },
          q: values(32 * 16, 1).map((x) => x * 1e5),
          k: values(32 * 16, 2).map((x) => x * 1e-5),
        },
        rounding,
      ),
      { tolerance: 5e-3 },
    ));
});
