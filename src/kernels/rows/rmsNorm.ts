// Root-mean-square layer norm (T5LayerNorm): no mean is subtracted and there is no bias. Gradients: rmsNormBackward.ts.
//
//   rrms_i = 1 / sqrt( mean_j(x_ij^2) + eps )          y_ij = weight_j * x_ij * rrms_i
//
// Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4; eps inside the root as in transformers' T5LayerNorm. The weight may be
// stored in 16 bits beside f32 activations: it is widened where it is read, which saves a cast for each norm.

import type { FloatArray, HalfDtype } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { narrowInto, writesCopies } from "../pointwise/keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { castForward } from "../pointwise/cast.ts";
import { perStoredFloat, storedAs, storedFloats } from "../storedFloats.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { narrow4 } from "../storedElements.ts";
import { alongRows, rowShaders, withReader, type RowShaders } from "./rowSnippets.ts";

/** @param keep stores in 16 bits what backward reads of Part j of the row, its `value` in y and x */
function shadersOf(keep: string, uses: readonly WgslSnippet[]): RowShaders {
  return rowShaders(
    {
      uses: [workgroupSum, ...uses],
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var squares = 0.0;
  for (var j = local; j < parts; j += WG) { squares += sumOf(x[begin + j] * x[begin + j]); }
  let scale = inverseSqrt(workgroupSum(local, squares) / f32(params.cols) + params.eps);
  for (var j = local; j < parts; j += WG) {
    let value = weightAt(j) * x[begin + j] * scale;
    y[begin + j] = value;${keep}
  }
  if (local == 0u) { rrms[row] = scale; }
}`,
    },
    ["x", "y"],
  );
}

const shaders = shadersOf("", []);

interface Arrays {
  readonly x: FloatArray;
  readonly weight: FloatArray;
  readonly y: FloatArray;
  readonly rrms: FloatArray;
}

/** The plain body. */
function normalizeRows(
  { x, weight, y, rrms }: Arrays,
  { rows, cols, eps }: Readonly<Record<"rows" | "cols" | "eps", number>>,
): void {
  for (let i = 0; i < rows; i++) {
    const row = i * cols;
    let squares = 0;
    for (let j = 0; j < cols; j++) squares += x[row + j]! * x[row + j]!;
    const scale = 1 / Math.sqrt(squares / cols + eps);
    for (let j = 0; j < cols; j++) y[row + j] = weight[j]! * x[row + j]! * scale;
    rrms[i] = scale;
  }
}

const params = { rows: "u32", cols: "u32", eps: "f32" } as const;

const kernels = perStoredFloat((stored) => {
  const { binding, suffix, selector, widen } = storedFloats[stored];
  return defineKernel({
    name: `rmsNormForward${suffix}`,
    inputs: { x: "float", weight: binding },
    outputs: { y: "float", rrms: "float" },
    params,
    wasm: { name: "rmsNormForward", selector, units: ({ rows }) => rows! },
    wgsl: alongRows(withReader(shaders, "weight", stored)),
    plain(arrays, sizes) {
      normalizeRows({ ...arrays, weight: widen(arrays.weight) }, sizes);
    },
  });
});

/**
 * How x is kept beside a y of any 16-bit dtype: the residual stream of T5 passes 1e5, which f16 has no number for.
 */
const STREAM = "bf16";

const keepingShaders = (keepAs: HalfDtype): RowShaders =>
  shadersOf(
    /* wgsl */ `
    keptY[begin + j] = narrowY(value);
    if (HAS_KEPT_X) { keptX[begin + j] = narrowX(x[begin + j]); }`,
    [narrow4("narrowY", keepAs), narrow4("narrowX", STREAM)],
  );

/** The same in a GPU's pass with the copies, for rows that are whole vectors. */
const keepingKernels = perStoredFloat((stored) => {
  const { binding, suffix, widen } = storedFloats[stored];
  const define = (keepAs: HalfDtype) => {
    const { vector, scalar } = withReader(keepingShaders(keepAs), "weight", stored);
    const views = { ...vector.views, keptX: "vec2<u32>", keptY: "vec2<u32>" };
    return defineKernel({
      name: `rmsNormForward${suffix}Keeping${storedFloats[keepAs].suffix}`,
      inputs: { x: "float", weight: binding },
      outputs: { y: "float", rrms: "float", keptX: `${STREAM}?`, keptY: keepAs },
      params,
      wgsl: alongRows({ scalar, vector: { ...vector, views } }),
      plain({ keptX, keptY, ...arrays }, sizes) {
        normalizeRows({ ...arrays, weight: widen(arrays.weight) }, sizes);
        if (keptX) narrowInto(keptX, arrays.x, STREAM);
        narrowInto(keptY, arrays.y, keepAs);
      },
    });
  };
  return { bf16: define("bf16"), f16: define("f16") };
});

/** Which copies in 16 bits the pass gives, too, of f32 tensors. */
export interface NormCopies {
  /** Dtype of y's copy. */
  readonly keepAs: HalfDtype;
  /** Whether there is one of x, as bf16. */
  readonly keepX: boolean;
}

/** What rmsNorm gives, and the copies that were asked for. */
export interface Normed {
  readonly y: Tensor;
  /** [rows], one reciprocal root mean square a row, for the backward pass. */
  readonly rrms: Tensor;
  readonly keptX: Tensor | null;
  readonly keptY: Tensor | null;
}

/**
 * Normalises the last axis.
 * @param x [..., C]
 * @param weight [C], of x's dtype, or in 16 bits beside f32
 * @param eps added to the mean square, > 0
 * @throws {ShapeError} unless weight is [C]
 */
export function rmsNormForward(
  x: Tensor,
  weight: Tensor,
  eps: number,
  copies: NormCopies | null = null,
): Normed {
  const cols = x.shape.at(-1);
  if (cols === undefined || weight.rank !== 1 || weight.shape[0] !== cols) {
    throw new ShapeError(
      `rmsNorm: weight must be [${cols ?? "C"}], the last axis of x ${formatShape(x.shape)}, got ${formatShape(weight.shape)}`,
    );
  }
  const rows = cols === 0 ? 0 : x.size / cols;
  const y = empty(x.device, x.shape, x.dtype);
  const rrms = empty(x.device, [rows], x.dtype);
  const stored = storedAs(weight);
  const kernel = copies && keepingKernels[stored][copies.keepAs];
  if (!kernel || !writesCopies(kernel, x, cols)) {
    launch(kernels[stored], { x, weight, y, rrms }, { rows, cols, eps });
    const keptX = copies?.keepX ? castForward(x, STREAM) : null;
    return { y, rrms, keptX, keptY: copies && castForward(y, copies.keepAs) };
  }
  const keptX = copies.keepX ? empty(x.device, x.shape, STREAM) : null;
  const keptY = empty(x.device, x.shape, copies.keepAs);
  launch(kernel, { x, weight, y, rrms, keptX, keptY }, { rows, cols, eps });
  return { y, rrms, keptX, keptY };
}
