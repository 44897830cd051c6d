// Numbers that TypeScript needs as well. scripts/buildWasm.mjs reads them from the compiled module into
// src/kernels/wasm/generated/constants.ts. Copies, because the compiler exports no constant that is @inline.

import * as attention from "./attention/attentionBlock";
import * as elements from "./elements";
import * as gemm from "./matmul/gemm";
import * as gemmDots from "./matmul/gemmDots";
import * as gather from "./moves/gatherRows";
import * as philox from "./philox";
import * as binary from "./pointwise/binary";
import * as unary from "./pointwise/unary";
import * as dotTile from "./q8/dotTile";
import * as q8 from "./q8/matmulQ8";
import * as tilesQ8 from "./q8/tilesQ8";

/** Bytes of scratch in which a matrix product packs its panels. */
export const GEMM_SCRATCH: usize = gemm.GEMM_SCRATCH;
/** Multiples of rows and columns that leave no tile of a matrix product half empty inside, in any variant. */
export const ROW_UNIT: usize = gemm.ROW_UNIT;
export const COL_UNIT: usize = gemm.COL_UNIT;
/** Rows of a product with q8 [n, k] up to which nothing is packed, and up to which all rows are packed at once. */
export const MOST_UNPACKED_Q8_ROWS: usize = q8.MOST_UNPACKED_ROWS;
export const MOST_Q8_ROWS: usize = tilesQ8.MOST_ROWS;
/** A multiple of rows that leaves no tile of such a product half empty inside. */
export const Q8_ROW_UNIT: usize = dotTile.DOT_LANES;
/** Rows of a product up to which its sums may be in another order than those of more rows. */
export const MOST_DOT_ROWS: usize = gemmDots.MOST_DOT_ROWS;
/** Queries whose scores attention holds at a time. */
export const SCORE_BLOCK: usize = attention.BLOCK;
/** Score of a masked key. */
export const MASKED: f32 = attention.MASKED;
/** Elements whose dropout factors are drawn at a time. */
export const DROPOUT_GROUP: usize = philox.GROUP;
/** Ids of a unit of gatherRows. */
export const GATHER_UNIT: usize = gather.UNIT;

// How elements are stored.
export const F32: i32 = elements.F32;
export const BF16: i32 = elements.BF16;
export const F16: i32 = elements.F16;

// Operations of unaryForward and unaryBackward, by the names of their rows in src/kernels/pointwise/pointwise.ts.
export const EXP: i32 = unary.EXP;
export const LOG: i32 = unary.LOG;
export const SQRT: i32 = unary.SQRT;
export const TANH: i32 = unary.TANH;
export const RELU: i32 = unary.RELU;
export const GELU: i32 = unary.GELU;
export const SIGMOID: i32 = unary.SIGMOID;
export const SILU: i32 = unary.SILU;
export const GELUERF: i32 = unary.GELUERF;

// Operations of binary, binaryBroadcast and binaryScalar.
export const ADD: i32 = binary.ADD;
export const SUB: i32 = binary.SUB;
export const MUL: i32 = binary.MUL;
export const DIV: i32 = binary.DIV;
