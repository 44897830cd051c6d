// What the attention kernels share: options, params, and the checks of their shapes.

import { ArgumentError, DtypeError, ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape, type Shape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { KernelParams } from "../../tensor/device.ts";
import {
  dropoutParamTypes,
  dropoutVarying,
  noDropout,
  type DropoutParams,
} from "../pointwise/dropout.ts";
import { packedSizes, type PackedRows } from "./packedRows.ts";
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
  /** Of tensors [tokens, H*D], whose rows stand one behind another; without it rows are of one length, [B, T, H*D]. */
  readonly rows?: PackedRows | null;
}

export const paramTypes = {
  batch: "u32",
  heads: "u32",
  /** Of the longest row. */
  queries: "u32",
  keys: "u32",
  /** Queries of all rows together. */
  allQueries: "u32",
  /** Of one head. */
  headDim: "u32",
  scale: "f32",
  ...dropoutParamTypes,
} as const;

/** Params that differ from call to call. */
export const varyingParams = [...dropoutVarying, "allQueries"] as const;

/** Flags: 1 when the feature is in use. */
export const constantTypes = {
  BIAS: "u32",
  MASK: "u32",
  CAUSAL: "u32",
  DROPOUT: "u32",
  PACKED: "u32",
} as const;

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

export function paramsOf(q: Tensor, k: Tensor, options: AttentionOptions): AttentionParams {
  const [batch = 0, queries = 0] = q.shape;
  const sizes = options.rows
    ? packedSizes(options.rows)
    : { batch, queries, keys: k.shape[1]!, allQueries: batch * queries };
  return {
    batch: sizes.batch,
    queries: sizes.queries,
    keys: sizes.keys,
    allQueries: sizes.allQueries,
    heads: options.heads,
    headDim: q.shape.at(-1)! / options.heads,
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
    PACKED: options.rows ? 1 : 0,
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
  const { heads, bias, mask, rows } = options;
  if (!Number.isInteger(heads) || heads < 1) {
    throw new ArgumentError(`attention: heads must be a whole number of at least 1, got ${heads}`);
  }
  if (rows) {
    checkPacked(q, k, v, options, rows);
    return;
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

function checkPacked(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { heads, bias, mask }: AttentionOptions,
  rows: PackedRows,
): void {
  const { queries, keys, allQueries, allKeys } = packedSizes(rows);
  const columns = q.shape.at(-1) ?? 0;
  if (columns % heads !== 0) {
    throw new ShapeError(
      `attention: q must be [tokens, H*D] with ${heads} heads, got ${formatShape(q.shape)}`,
    );
  }
  expectShape("q", q, [[allQueries, columns]], `rows of ${allQueries} queries`);
  expectShape("k", k, [[allKeys, columns]], `rows of ${allKeys} keys`);
  expectShape("v", v, [k.shape], `k ${formatShape(k.shape)}`);
  const scores = [heads, queries, keys];
  if (bias) expectShape("bias", bias, [scores, [1, ...scores]], "the scores of the longest row");
  if (!mask) return;
  throw new ArgumentError(
    "attention: mask must be left out beside rows, got both. Packed rows hold no padding.",
  );
}

function expectShape(name: string, x: Tensor, allowed: readonly Shape[], like: string): void {
  if (allowed.some((shape) => sameShape(x.shape, shape))) return;
  throw new ShapeError(
    `attention: ${name} must be ${formatShape(allowed[0]!)} to fit ${like}, got ${formatShape(x.shape)}`,
  );
}
