// Matrix products over the last two axes, batched over the others.
//
//   c_ij = sum_k op(a)_ik op(b)_kj        op(x) = x or its transpose, read in place
//
// a and c are floats; b may be stored in 16 bits or in q8 (weights), and is widened where it is read.

import { isHalf } from "../../tensor/dtype.ts";
import { DtypeError, invariant, ShapeError } from "../../tensor/errors.ts";
import {
  broadcastShapes,
  broadcastStrides,
  formatShape,
  sameShape,
  sizeOf,
  type Shape,
} from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WasmPlanned, WasmPlannedFunction } from "../../tensor/wasm.ts";
import { defineKernel, launch } from "../kernel.ts";
import { chooseRoundingStrategy, chooseStrategy, planProduct } from "./plan.ts";
import { perStoredFloat, storedFloats, type StoredFloat } from "../storedFloats.ts";
import { blockSizes } from "./blockSizes.ts";
import { checkQ8Product, matmulQ8Body } from "./q8.ts";
import { storedB, widenB, type StoredB } from "./storedB.ts";
import { axisParams, collapseAxes, NO_AXES, type StridedAxes } from "../stridedAxes.ts";
import { GEMM_SCRATCH } from "../wasm/generated/constants.ts";

/**
 * One kernel for each storage type of b.
 * @param rounds lets matrix units of a GPU round a and b to 11 bits
 */
function defineMatmul(stored: StoredB, rounds: boolean) {
  const { binding, suffix } = storedB(stored);
  const choose = rounds ? chooseRoundingStrategy : chooseStrategy;
  return defineKernel({
    name: `matmul${suffix}${rounds ? "Rounding" : ""}`,
    inputs: { a: "float", b: binding },
    outputs: { c: "float" },
    // c is [batch0, batch1, batch2, batch3, m, n]; matrices of a and b are found by strides, in elements
    params: {
      ...{ m: "u32", n: "u32", k: "u32" },
      ...axisParams("batch"),
      ...axisParams("a"),
      ...axisParams("b"),
    },
    constants: { TRANSPOSE_A: "u32", TRANSPOSE_B: "u32", ACCUMULATE: "u32" },
    flops: ({ m, n, k, batch0, batch1, batch2, batch3 }) =>
      2 * m * n * k * batch0 * batch1 * batch2 * batch3,
    wasm: stored === "q8" ? matmulQ8Body : matmulBody(stored),
    wgsl: { plan: (call) => planProduct(call, stored, choose) },
    plain({ a, b, c }, p, { TRANSPOSE_A, TRANSPOSE_B, ACCUMULATE }) {
      const { m, n } = p;
      const strides = stridesOf(p, { TRANSPOSE_A, TRANSPOSE_B });
      const wideB = widenB(b, stored);
      let offset = 0;
      for (let w = 0; w < p.batch0; w++)
        for (let x = 0; x < p.batch1; x++)
          for (let y = 0; y < p.batch2; y++)
            for (let z = 0; z < p.batch3; z++, offset += m * n) {
              const matrixA = a.subarray(w * p.a0 + x * p.a1 + y * p.a2 + z * p.a3);
              const matrixB = wideB.subarray(w * p.b0 + x * p.b1 + y * p.b2 + z * p.b3);
              const matrixC = c.subarray(offset, offset + m * n);
              multiply(matrixA, matrixB, matrixC, p, strides, ACCUMULATE !== 0);
            }
    },
  });
}

type Sizes = Readonly<Record<"m" | "n" | "k", number>>;

/** @internal From row to row and from column to column of op(a) and op(b). */
export function stridesOf(
  { m, n, k }: Sizes,
  { TRANSPOSE_A, TRANSPOSE_B }: Readonly<Record<"TRANSPOSE_A" | "TRANSPOSE_B", number>>,
): MatrixStrides {
  return {
    rowA: TRANSPOSE_A ? 1 : k,
    colA: TRANSPOSE_A ? m : 1,
    rowB: TRANSPOSE_B ? 1 : n,
    colB: TRANSPOSE_B ? k : 1,
  };
}

type MatrixStrides = Readonly<Record<"rowA" | "colA" | "rowB" | "colB", number>>;

/** @internal The WebAssembly body for b in floats. */
export function matmulBody(stored: StoredFloat): WasmPlanned<BodyParams> {
  const multiplyBlocks: WasmPlannedFunction = {
    name: "matmul",
    selector: storedFloats[stored].selector,
    params: ["rowBlock", "colBlock"],
    takesScratch: true,
  };
  return {
    functions: [multiplyBlocks],
    plan({ params: { m, n, batch0, batch1, batch2, batch3 }, threads }) {
      const matrices = batch0 * batch1 * batch2 * batch3;
      const blocks = blockSizes(m, n, matrices, threads);
      const units = Math.ceil(m / blocks.rowBlock) * Math.ceil(n / blocks.colBlock) * matrices;
      const pass = { function: multiplyBlocks, units, params: blocks, scratchBytes: GEMM_SCRATCH };
      return { passes: [pass] };
    },
  };
}

type BodyParams = Readonly<Record<"m" | "n" | "batch0" | "batch1" | "batch2" | "batch3", number>>;

/** @internal One product, for the plain bodies. Both orders of the loops run along b as it lies in memory. */
export function multiply(
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  c: Float32Array | Float64Array,
  { m, n, k }: Sizes,
  { rowA, colA, rowB, colB }: MatrixStrides,
  accumulate: boolean,
): void {
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    sums.fill(0);
    if (colB === 1) {
      for (let d = 0; d < k; d++) {
        const weight = a[i * rowA + d * colA]!;
        for (let j = 0; j < n; j++) sums[j] = sums[j]! + weight * b[d * rowB + j]!;
      }
    } else {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let d = 0; d < k; d++) sum += a[i * rowA + d * colA]! * b[d * rowB + j * colB]!;
        sums[j] = sum;
      }
    }
    for (let j = 0; j < n; j++) c[i * n + j] = (accumulate ? c[i * n + j]! : 0) + sums[j]!;
  }
}

const exactKernels = perStoredFloat((stored) => defineMatmul(stored, false));
export const { f32: matmulKernel, bf16: matmulBf16Kernel, f16: matmulF16Kernel } = exactKernels;

export const matmulQ8Kernel = defineMatmul("q8", false);

const exact = { ...exactKernels, q8: matmulQ8Kernel, f64: matmulKernel };
const rounding = {
  ...perStoredFloat((stored) => defineMatmul(stored, true)),
  q8: defineMatmul("q8", true),
  f64: matmulKernel,
};

/** How `matmul` reads its inputs. */
export interface MatmulOptions {
  /** a is stored [..., K, M]. */
  readonly transposeA?: boolean;
  /** b is stored [..., N, K], as the weights of linear layers are. */
  readonly transposeB?: boolean;
  /**
   * Lets a GPU's matrix units round a and b to f16's 11 bits before they are multiplied, each row of op(a) and column of op(b)
   * scaled by a power of two so that none overflows; bf16 and f16 numbers lose nothing. Otherwise units that take f16
   * multiply f32 in two halves, to 22 bits. Sums are f32. Devices without such units compute in f32. Default false.
   */
  readonly roundToF16?: boolean;
}

export interface MatmulIntoOptions extends MatmulOptions {
  /** Adds to what `out` holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/**
 * op(a) op(b) over the last two axes.
 * @param a f32 or f64 [..., M, K]
 * @param b [..., K, N], of a's dtype, or in 16 bits or q8 beside f32; batch axes broadcast as in NumPy
 * @returns [..., M, N], of a's dtype
 * @throws {ShapeError} for fewer than two axes, inner sizes that differ, or batches that do not broadcast
 * @throws {DtypeError} when a is not f32 or f64, or b is another dtype than these
 */
export function matmulForward(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const plan = planMatmul(a, b, options);
  checkDtypes(a, b);
  const c = empty(a.device, plan.shape, a.dtype);
  run(plan, a, b, c, options);
  return c;
}

/**
 * Writes op(a) op(b) into a tensor that exists (gradients, caches), or adds it.
 * @param out [..., M, N] of a's dtype; not a or b themselves
 * @throws {ShapeError} as `matmul`, and when out has another shape
 */
export function matmulForwardInto(
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: MatmulIntoOptions = {},
): void {
  const plan = planMatmul(a, b, options);
  checkDtypes(a, b);
  if (!sameShape(out.shape, plan.shape)) {
    throw new ShapeError(
      `matmul: out must be ${formatShape(plan.shape)}, got ${formatShape(out.shape)}`,
    );
  }
  const distinct = out.storage !== a.storage && out.storage !== b.storage;
  invariant(distinct, () => "matmulInto: out is one of the operands");
  run(plan, a, b, out, options);
}

/** Shape of op(a) op(b). @throws {ShapeError} as `matmul` */
export function productShape(a: Tensor, b: Tensor, options: MatmulOptions = {}): Shape {
  return planMatmul(a, b, options).shape;
}

interface MatmulPlan {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Batch axes of the result, and those of a and b, which broadcast to them. */
  readonly batch: Shape;
  readonly batchA: Shape;
  readonly batchB: Shape;
  readonly shape: Shape;
}

function planMatmul(a: Tensor, b: Tensor, options: MatmulOptions): MatmulPlan {
  for (const [name, x] of [["a", a] as const, ["b", b] as const]) {
    if (x.rank < 2) {
      throw new ShapeError(
        `matmul: ${name} must have at least 2 axes, got ${formatShape(x.shape)}. Reshape it.`,
      );
    }
  }
  const [m, k] = matrixSizes(a, options.transposeA);
  const [inner, n] = matrixSizes(b, options.transposeB);
  if (k !== inner) {
    throw new ShapeError(
      `matmul: inner sizes must be equal, got ${k} of ${describe("a", a, options.transposeA)} ` +
        `and ${inner} of ${describe("b", b, options.transposeB)}`,
    );
  }
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = broadcastShapes("matmul: batches", batchA, batchB);
  return { m, n, k, batch, batchA, batchB, shape: [...batch, m, n] };
}

/** Rows and columns of op(x). */
function matrixSizes(x: Tensor, transposed = false): [number, number] {
  const [rows, cols] = [x.shape.at(-2)!, x.shape.at(-1)!];
  return transposed ? [cols, rows] : [rows, cols];
}

function describe(name: string, x: Tensor, transposed = false): string {
  return `${transposed ? "transposed " : ""}${name} ${formatShape(x.shape)}`;
}

function checkDtypes(a: Tensor, b: Tensor): void {
  if (a.dtype !== "f32" && a.dtype !== "f64") {
    throw new DtypeError(`matmul: a must be f32 or f64, got ${a.dtype}. Use cast().`);
  }
  if (b.dtype !== a.dtype && !(a.dtype === "f32" && (isHalf(b.dtype) || b.dtype === "q8"))) {
    const allowed = a.dtype === "f32" ? "f32, f16, bf16 or q8" : "f64 as a is";
    throw new DtypeError(`matmul: b must be ${allowed}, got ${b.dtype}. Use cast().`);
  }
}

/** How the matrices of a and b are walked through, in elements. */
function batchAxes({ m, n, k, batch, batchA, batchB }: MatmulPlan): StridedAxes {
  const stridesA = broadcastStrides(batchA, batch).map((stride) => stride * m * k);
  const stridesB = broadcastStrides(batchB, batch).map((stride) => stride * k * n);
  return collapseAxes("matmul", batch, [stridesA, stridesB]);
}

function run(plan: MatmulPlan, a: Tensor, b: Tensor, c: Tensor, options: MatmulIntoOptions): void {
  checkQ8Product(b, options.transposeA ?? false);
  const { m, n, k, batch, batchB } = plan;
  // One b for the whole batch: the rows of all of a's matrices are the rows of one.
  const folds = !options.transposeA && sizeOf(batchB) === 1;
  const axes = folds ? NO_AXES : batchAxes(plan);
  const [batch0, batch1, batch2, batch3] = axes.shape;
  const [a0, a1, a2, a3] = axes.strides[0]!;
  const [b0, b1, b2, b3] = axes.strides[1]!;
  const rows = folds ? m * sizeOf(batch) : m;
  // One literal: objects put together of others take ten times as long, and a step has hundreds of products.
  const params = {
    m: rows,
    n,
    k,
    batch0,
    batch1,
    batch2,
    batch3,
    a0,
    a1,
    a2,
    a3,
    b0,
    b1,
    b2,
    b3,
  };
  const constants = {
    TRANSPOSE_A: options.transposeA ? 1 : 0,
    TRANSPOSE_B: options.transposeB ? 1 : 0,
    ACCUMULATE: options.accumulate ? 1 : 0,
  };
  const kernels = options.roundToF16 ? rounding : exact;
  const kernel = kernels[b.dtype as keyof typeof kernels]; // checkDtypes lets no other through
  launch(kernel, { a, b, c }, params, constants);
}
