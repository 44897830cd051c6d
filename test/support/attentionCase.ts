// Cases of attention for describeOp: random q, k and v, and the reference's result.

import { attention, type AttentionOptions } from "../../src/autograd/ops/attention.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import {
  attention as reference,
  packedAttention,
  type AttentionCase,
  type PackedCase,
} from "../reference/attention.ts";
import type { OpCase, OpInput } from "./describeOp.ts";
import { uniform, values } from "./random.ts";

export interface AttentionTest extends AttentionCase {
  readonly seed: number;
  /** Standard deviation of q and k. Default 0.7. */
  readonly size?: number;
  /** Instead of random ones. */
  readonly q?: ArrayLike<number>;
  readonly k?: ArrayLike<number>;
}

type Op = (q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions) => Tensor;

export function makeCase(c: AttentionTest, op: Op = attention): OpCase {
  const { B, T, S, H, D, seed, size = 0.7, bias, mask, causal, scale, dropout } = c;
  const q = c.q ?? values(B * T * H * D, seed, size);
  const k = c.k ?? values(B * S * H * D, seed + 1, size);
  const v = values(B * S * H * D, seed + 2);
  const inputs: OpInput[] = [
    { shape: [B, T, H * D], values: q },
    { shape: [B, S, H * D], values: k },
    { shape: [B, S, H * D], values: v },
  ];
  if (bias) inputs.push({ shape: [H, T, S], values: bias });
  if (mask) inputs.push({ shape: [B, S], values: mask, kind: "i32" });
  return {
    inputs,
    apply: ([q, k, v, ...rest]) =>
      op(q!, k!, v!, {
        heads: H,
        bias: bias ? rest[0]! : null,
        mask: mask ? rest.at(-1)! : null,
        causal: causal ?? false,
        scale: scale ?? 1,
        dropout: dropout ?? null,
      }),
    expected: { shape: [B, T, H * D], values: reference(q, k, v, c) },
  };
}

/** Keeps every key of batch element 0, none of element 1, and about two thirds of the others'. */
export function randomMask(B: number, S: number, seed: number): number[] {
  const next = uniform(seed);
  return Array.from({ length: B * S }, (_, i) => {
    const b = Math.floor(i / S);
    return b === 0 || (b > 1 && next() < 2 / 3) ? 1 : 0;
  });
}

export interface PackedTest extends PackedCase {
  readonly seed: number;
  /** Standard deviation of q and k. Default 0.7. */
  readonly size?: number;
}

/** Rows one behind another; `c.T` and `c.S` are their lengths. */
export function makePackedCase(c: PackedTest, op: Op = attention): OpCase {
  const { T, S, H, D, seed, size = 0.7, bias, causal = false, scale = 1, dropout = null } = c;
  const [queries, keys] = [T, S].map((lengths) => lengths.reduce((a, b) => a + b, 0)) as [
    number,
    number,
  ];
  const q = values(queries * H * D, seed, size);
  const k = values(keys * H * D, seed + 1, size);
  const v = values(keys * H * D, seed + 2);
  const inputs: OpInput[] = [
    { shape: [queries, H * D], values: q },
    { shape: [keys, H * D], values: k },
    { shape: [keys, H * D], values: v },
  ];
  if (bias) inputs.push({ shape: [H, Math.max(...T), Math.max(...S)], values: bias });
  return {
    inputs,
    apply: ([q, k, v, bias = null]) =>
      op(q!, k!, v!, {
        ...{ heads: H, bias, causal, scale, dropout },
        rows: { queries: T, keys: S },
      }),
    expected: { shape: [queries, H * D], values: packedAttention(q, k, v, c) },
  };
}
