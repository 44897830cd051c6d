// Products of one shape in one kernel: of the weights of a layer that read the same x, and of their gradients.
//
//   c_i = op(a_i) op(b_i)                a or b may be one for all
//   c   = sum_i op(a_i) op(b_i)          where there is one c
//
// On a GPU's matrix units that is one dispatch with the workgroups of all products at once (groupPlan.ts).

import { invariant } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat } from "../storedFloats.ts";
import { MOST_OF_GROUP } from "./groupBindings.ts";
import { planGroup, wasmGroup } from "./groupPlan.ts";
import {
  matmulBody,
  matmulForwardInto,
  multiply,
  stridesOf,
  type MatmulIntoOptions,
} from "./matmul.ts";
import { checkQ8Product, matmulQ8Body } from "./q8.ts";
import { storedB, widenB, type StoredB } from "./storedB.ts";

/** @param rounds lets matrix units of a GPU round a and b to 11 bits */
function defineGroup(stored: StoredB, rounds: boolean) {
  const { binding, suffix } = storedB(stored);
  return defineKernel({
    name: `matmulGroup${suffix}${rounds ? "Rounding" : ""}`,
    inputs: {
      ...{ a: "float", a1: "float?", a2: "float?" },
      ...{ b: binding, b1: `${binding}?`, b2: `${binding}?` },
    },
    outputs: { c: "float", c1: "float?", c2: "float?" },
    // Of each product. The bodies of single products have batches, too, and get one.
    params: {
      ...{ m: "u32", n: "u32", k: "u32" },
      ...{ batch0: "u32", batch1: "u32", batch2: "u32", batch3: "u32" },
      ...{ a0: "u32", a1: "u32", a2: "u32", a3: "u32" },
      ...{ b0: "u32", b1: "u32", b2: "u32", b3: "u32" },
    },
    constants: { TRANSPOSE_A: "u32", TRANSPOSE_B: "u32", ACCUMULATE: "u32" },
    flops: ({ m, n, k }, { a1, b1, a2, b2 }) => 2 * m * n * k * (a2 || b2 ? 3 : a1 || b1 ? 2 : 1),
    wasm: stored === "q8" ? wasmGroup(matmulQ8Body) : wasmGroup(matmulBody(stored)),
    wgsl: { plan: (call) => planGroup(call, stored, rounds) },
    plain({ a, a1, a2, b, b1, b2, c, c1, c2 }, params, constants) {
      const lefts = [a, a1, a2].filter((x) => x !== null);
      const rights = [b, b1, b2].filter((x) => x !== null);
      const results = [c, c1, c2].filter((x) => x !== null);
      const strides = stridesOf(params, constants);
      for (let i = 0; i < Math.max(lefts.length, rights.length); i++) {
        const result = results[i] ?? c;
        const adds = constants.ACCUMULATE !== 0 || (results.length === 1 && i > 0);
        const right = widenB(rights[i] ?? b, stored);
        multiply(lefts[i] ?? a, right, result, params, strides, adds);
      }
    },
  });
}

const define = (rounds: boolean) => ({
  ...perStoredFloat((stored) => defineGroup(stored, rounds)),
  q8: defineGroup("q8", rounds),
});
const exact = define(false);
const rounding = define(true);

/**
 * Writes c_i = op(a_i) op(b_i), or c = sum_i op(a_i) op(b_i) where there is one c; or adds it.
 * @param as one for all or one for each of at most MOST_OF_GROUP products: of one shape, [..., K] or, transposed, [K, M]
 * @param bs one for all or one for each: matrices of one shape and dtype, as those of `matmul`
 * @param cs one, or one for each, [..., N]; none of the operands
 */
export function matmulGroupInto(
  as: readonly Tensor[],
  bs: readonly Tensor[],
  cs: readonly Tensor[],
  options: MatmulIntoOptions,
): void {
  const count = Math.max(as.length, bs.length);
  const areOneOrAll = [as, bs, cs].every(({ length }) => length === 1 || length === count);
  invariant(areOneOrAll && count <= MOST_OF_GROUP, () => "matmulGroup: operands of other counts");
  const [a, b, c] = [as[0]!, bs[0]!, cs[0]!];
  if (count === 1) return matmulForwardInto(a, b, c, options);
  const {
    transposeA = false,
    transposeB = false,
    accumulate = false,
    roundToF16 = false,
  } = options;
  checkQ8Product(b, transposeA);
  const [n, k] = transposeB ? [b.shape[0]!, b.shape[1]!] : [b.shape[1]!, b.shape[0]!];
  const kernels = roundToF16 ? rounding : exact;
  // Literals: objects put together of others take ten times as long, and a step has hundreds of products.
  launch(
    kernels[b.dtype === "f64" ? "f32" : (b.dtype as StoredB)],
    {
      a,
      a1: as[1] ?? null,
      a2: as[2] ?? null,
      b,
      b1: bs[1] ?? null,
      b2: bs[2] ?? null,
      c,
      c1: cs[1] ?? null,
      c2: cs[2] ?? null,
    },
    {
      m: n === 0 ? 0 : c.size / n,
      n,
      k,
      batch0: 1,
      batch1: 1,
      batch2: 1,
      batch3: 1,
      a0: 0,
      a1: 0,
      a2: 0,
      a3: 0,
      b0: 0,
      b1: 0,
      b2: 0,
      b3: 0,
    },
    {
      TRANSPOSE_A: transposeA ? 1 : 0,
      TRANSPOSE_B: transposeB ? 1 : 0,
      ACCUMULATE: accumulate ? 1 : 0,
    },
  );
}
