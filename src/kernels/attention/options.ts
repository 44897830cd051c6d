// What the attention kernels share: options, params, and the checks of their shapes.

import { ArgumentError, DtypeError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape, type Shape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { KernelParams } from "../../tensor/device.ts";
import { dropoutParamTypes, type DropoutParams } from "../pointwise/dropout.ts";
import { DROPOUT_GROUP, GEMM_SCRATCH, MASKED, SCORE_BLOCK } from "../wasm/generated/constants.ts";

export interface AttentionOptions {
  readonly heads: number;
  /** [H, T, S] or [1, H, T, S]. */
  readonly bias: Tensor | null;
  /** i32 [B, S]. */
  readonly mask: Tensor | null;
  readonly causal: boolean;
  readonly scale: number;
  readonly dropout: DropoutParams | null;
  /** Lets matrix units round the operands of products to 11 bits. */
  readonly roundToF16?: boolean;
}

export const paramTypes = {
  batch: "u32",
  heads: "u32",
  queries: "u32",
  keys: "u32",
  /** Of one head. */
  headDim: "u32",
  scale: "f32",
  ...dropoutParamTypes,
} as const;

/** Flags: 1 when the feature is in use. */
export const constantTypes = { BIAS: "u32", MASK: "u32", CAUSAL: "u32", DROPOUT: "u32" } as const;

export type AttentionParams = Readonly<Record<keyof typeof paramTypes, number>>;
export type AttentionConstants = Readonly<Record<keyof typeof constantTypes, number>>;

/** Score of a masked key: the lowest finite f32. Adding the logarithm of any row length leaves it as it is. */
export { MASKED };

/** Queries whose scores the WebAssembly bodies hold at a time. */
export { SCORE_BLOCK };

/**
 * Bytes of scratch of the WebAssembly bodies: the packed panels of the products, factors of the block's
 * rows, a row of dropout factors that begins anywhere in a group, and `matrices` of a block's scores.
 */
export function attentionScratch({ queries, keys }: KernelParams, matrices: number): number {
  const stride = Math.ceil(keys! / 4) * 4;
  const rows = Math.min(queries!, SCORE_BLOCK);
  return GEMM_SCRATCH + 4 * (SCORE_BLOCK + stride + 2 * DROPOUT_GROUP + matrices * rows * stride);
}

const noDropout: DropoutParams = {
  threshold: 0,
  keepScale: 1,
  seedLow: 0,
  seedHigh: 0,
  offset: 0,
};

export function paramsOf(q: Tensor, k: Tensor, options: AttentionOptions): AttentionParams {
  const [batch, queries, columns] = q.shape as [number, number, number];
  return {
    batch,
    heads: options.heads,
    queries,
    keys: k.shape[1]!,
    headDim: columns / options.heads,
    scale: options.scale,
    ...(options.dropout ?? noDropout),
  };
}

export function constantsOf(options: AttentionOptions): AttentionConstants {
  return {
    BIAS: options.bias ? 1 : 0,
    MASK: options.mask ? 1 : 0,
    CAUSAL: options.causal ? 1 : 0,
    DROPOUT: options.dropout ? 1 : 0,
  };
}

/** The mask as i32. u32 and bool masks are the same words: a kernel only tells 0 from the rest. */
export function maskWords(mask: Tensor): Tensor {
  if (mask.dtype !== "u32" && mask.dtype !== "bool") return mask;
  mask.storage.retain();
  return new Tensor(mask.storage, mask.shape, "i32", mask.device);
}

/** @throws {ShapeError | DtypeError | ArgumentError} naming the first argument that does not fit */
export function checkAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): void {
  const { heads, bias, mask } = options;
  if (!Number.isInteger(heads) || heads < 1) {
    throw new ArgumentError(`attention: heads must be a whole number of at least 1, got ${heads}`);
  }
  const [batch, queries, columns] = q.shape;
  if (q.rank !== 3 || columns! % heads !== 0) {
    throw new ShapeError(
      `attention: q must be [B, T, H*D] with ${heads} heads, got ${formatShape(q.shape)}`,
    );
  }
  const keys = k.shape[1] ?? 0;
  if (k.rank !== 3 || keys === 0) {
    throw new ShapeError(
      `attention: k must be [B, S, H*D] with S of at least 1, got ${formatShape(k.shape)}`,
    );
  }
  expectShape("k", k, [[batch!, keys, columns!]], `q ${formatShape(q.shape)}`);
  expectShape("v", v, [k.shape], `k ${formatShape(k.shape)}`);
  const scores = [heads, queries!, keys];
  if (bias) expectShape("bias", bias, [scores, [1, ...scores]], "the scores [H, T, S]");
  if (!mask) return;
  expectShape("mask", mask, [[batch!, keys]], "the keys [B, S]");
  if (mask.dtype !== "i32") {
    throw new DtypeError(`attention: mask must be i32, u32 or bool, got ${mask.dtype}`);
  }
}

function expectShape(name: string, x: Tensor, allowed: readonly Shape[], like: string): void {
  if (allowed.some((shape) => sameShape(x.shape, shape))) return;
  throw new ShapeError(
    `attention: ${name} must be ${formatShape(allowed[0]!)} to fit ${like}, got ${formatShape(x.shape)}`,
  );
}
