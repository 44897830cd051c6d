// Products with b in q8, as weights are that were loaded in 8 bits (src/tensor/q8.ts). b is one matrix and a lies along k:
//
//   y = x W^T        W [n, k], forward: x becomes 16-bit numbers and block sums are whole numbers (wasm/assembly/q8/numbers.ts has
//                    the bound), the same bits of a row of y whatever the rows beside it
//   dx = dy W        W [k, n], backward: blocks lie across the sums; they become f32 once for all rows
//
// WGSL bodies and the plain body compute with x in f32.

import { DtypeError } from "../../tensor/errors.ts";
import { Q8_BLOCK } from "../../tensor/q8.ts";
import { formatShape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WasmPlanned, WasmPlannedFunction } from "../../tensor/wasm.ts";
import {
  COL_UNIT,
  GEMM_SCRATCH,
  MOST_Q8_ROWS,
  MOST_UNPACKED_Q8_ROWS,
  Q8_ROW_UNIT,
} from "../wasm/generated/constants.ts";
import { blockSizes, evenPart } from "./blockSizes.ts";

/** Chunks of a product with few rows, for each thread: each makes the 16-bit numbers of x for itself. */
const CHUNKS_PER_THREAD = 4;
/** Fewer columns would cost as much for those numbers as for the product. */
const LEAST_COLS = 96;

const multiplyBlocks: WasmPlannedFunction = {
  name: "matmulQ8",
  params: ["rowBlock", "colBlock"],
  takesScratch: true,
};

type Sizes = Readonly<Record<"m" | "n" | "k", number>>;

/** The WebAssembly body; params are matmul's. */
export const matmulQ8Body: WasmPlanned<Sizes, Readonly<Record<"TRANSPOSE_B", number>>> = {
  functions: [multiplyBlocks],
  plan({ params: { m, n, k }, constants: { TRANSPOSE_B }, threads }) {
    const isFew = TRANSPOSE_B !== 0 && m <= MOST_Q8_ROWS;
    const blocks = isFew
      ? { rowBlock: Math.max(m, 1), colBlock: evenPart(n, chunk(n, threads), COL_UNIT) }
      : blockSizes(m, n, 1, threads, TRANSPOSE_B === 0 ? undefined : Q8_ROW_UNIT);
    const units = Math.ceil(m / blocks.rowBlock) * Math.ceil(n / blocks.colBlock);
    const isUnpacked = TRANSPOSE_B !== 0 && m <= MOST_UNPACKED_Q8_ROWS;
    const scratchBytes = isUnpacked ? numbersBytes(m, k) : GEMM_SCRATCH;
    return { passes: [{ function: multiplyBlocks, units, params: blocks, scratchBytes }] };
  },
};

function chunk(n: number, threads: number): number {
  const even = n / (CHUNKS_PER_THREAD * threads);
  return Math.max(even, Math.min(LEAST_COLS, n / threads), 1);
}

/** x [m, k] as 16-bit numbers, and scales of four rows side by side. */
function numbersBytes(m: number, k: number): number {
  return 2 * m * k + 16 * Math.ceil(m / 4) * (k / Q8_BLOCK);
}

/** @throws {DtypeError} for products that have no use: of batches of q8, of a stored transposed */
export function checkQ8Product(b: Tensor, transposeA: boolean): void {
  if (b.dtype !== "q8" || (!transposeA && sizeOf(b.shape.slice(0, -2)) === 1)) return;
  throw new DtypeError(
    `matmul: with b in q8, a must not be transposed and b must be one matrix, got ${transposeA ? "a transposed" : "b"} ` +
      `${transposeA ? "" : `${formatShape(b.shape)}`}. Use cast(b, "f32").`,
  );
}
