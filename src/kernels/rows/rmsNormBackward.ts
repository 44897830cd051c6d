// Gradients of an RMS norm (rmsNorm.ts).
//
// With g_ij = dy_ij weight_j and r = rrms_i:
//   dx_ij = r g_ij - x_ij r^3 / C * sum_k(g_ik x_ik)           added to what dx holds with ACCUMULATE
//   dweight_j = sum_i dy_ij x_ij r_i
//
// x may be kept in bf16 beside f32. Where both gradients are wanted, rmsNormBackwardBoth.ts has them from one kernel.

import type { KernelParams } from "../../tensor/device.ts";
import type { FloatArray } from "../../tensor/dtype.ts";
import { empty, zeros, type Tensor } from "../../tensor/tensor.ts";
import { readingFloats, suffixOfKept, withReadable } from "../pointwise/keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedAs, storedFloats } from "../storedFloats.ts";
import { workgroupSum } from "../wgsl/reduce.ts";
import { elementReader } from "../storedElements.ts";
import { alongRows, rowShaders, withReader } from "./rowSnippets.ts";
import { weightGradient } from "./weightGradient.ts";

type Arrays<K extends string> = Readonly<Record<K, FloatArray>>;
type Sizes = Readonly<Record<"rows" | "cols", number>>;

/** The plain body of dx. */
export function rowGradients(
  { x, weight, rrms, dy, dx }: Arrays<"x" | "weight" | "rrms" | "dy" | "dx">,
  { rows, cols }: Sizes,
  accumulate: boolean,
): void {
  for (let i = 0; i < rows; i++) {
    const row = i * cols;
    const r = rrms[i]!;
    let dot = 0;
    for (let j = 0; j < cols; j++) dot += dy[row + j]! * weight[j]! * x[row + j]!;
    const shrink = (dot * r * r) / cols;
    for (let j = 0; j < cols; j++) {
      const part = r * (dy[row + j]! * weight[j]! - x[row + j]! * shrink);
      dx[row + j] = accumulate ? dx[row + j]! + part : part;
    }
  }
}

/** The plain body of dweight. */
export function addWeightGradient(
  { x, rrms, dy, dweight }: Arrays<"x" | "rrms" | "dy" | "dweight">,
  { rows, cols }: Sizes,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      dweight[j] = dweight[j]! + dy[i * cols + j]! * x[i * cols + j]! * rrms[i]!;
    }
  }
}

const shaders = rowShaders(
  {
    uses: [workgroupSum],
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row = groupIndex(group);
  if (row >= params.rows) { return; }
  let parts = params.cols / PART;
  let begin = row * parts;
  var products = 0.0;
  for (var j = local; j < parts; j += WG) {
    products += sumOf(dy[begin + j] * weightAt(j) * xAt(begin + j));
  }
  let r = rrms[row];
  let shrink = workgroupSum(local, products) * r * r / f32(params.cols);
  for (var j = local; j < parts; j += WG) {
    let part = r * (dy[begin + j] * weightAt(j) - xAt(begin + j) * shrink);
    if (ACCUMULATE == 1u) { dx[begin + j] += part; } else { dx[begin + j] = part; }
  }
}`,
  },
  ["dy", "dx"],
);

const kernels = perStoredFloat((stored) =>
  perStoredFloat((kept) => {
    const weight = storedFloats[stored];
    const x = storedFloats[kept];
    return defineKernel({
      name: `rmsNormBackward${weight.suffix}${suffixOfKept(kept)}`,
      inputs: { x: x.binding, weight: weight.binding, rrms: "float", dy: "float" },
      outputs: { dx: "float" },
      params: { rows: "u32", cols: "u32" },
      constants: { ACCUMULATE: "u32" },
      ...readingFloats(kept, {
        name: "rmsNormBackward",
        selector: weight.selector,
        units: ({ rows }: KernelParams) => rows!,
      }),
      wgsl: alongRows(withReader(withReader(shaders, "weight", stored), "x", kept)),
      plain(arrays, sizes, { ACCUMULATE }) {
        const wide = { x: x.widen(arrays.x), weight: weight.widen(arrays.weight) };
        rowGradients({ ...arrays, ...wide }, sizes, ACCUMULATE === 1);
      },
    });
  }),
);

const weightKernels = perStoredFloat((kept) => {
  const { binding, widen } = storedFloats[kept];
  const { of: reader, uses } = elementReader("x", kept);
  return defineKernel({
    name: `rmsNormBackwardWeight${suffixOfKept(kept)}`,
    inputs: { x: binding, rrms: "float", dy: "float" },
    outputs: { dweight: "float" }, // is added to
    params: { rows: "u32", cols: "u32" },
    // Units are columns, so that two threads never add into one element.
    ...readingFloats(kept, {
      name: "rmsNormBackwardWeight",
      units: ({ cols }: KernelParams) => cols!,
    }),
    wgsl: weightGradient(`${reader("i * params.cols + j")} * rrms[i]`, uses),
    plain(arrays, sizes) {
      addWeightGradient({ ...arrays, x: widen(arrays.x) }, sizes);
    },
  });
});

/**
 * Gradient of x [..., C] from dy [..., C] and the saved rrms [rows].
 * @param x of dy's dtype, or kept in bf16 beside f32
 * @param onto of x's shape and dy's dtype: adds the gradient there and returns it, as a residual stream wants
 */
export function rmsNormBackward(
  x: Tensor,
  weight: Tensor,
  rrms: Tensor,
  dy: Tensor,
  onto: Tensor | null = null,
): Tensor {
  const dx = onto ?? empty(x.device, x.shape, dy.dtype);
  const sizes = { rows: rrms.size, cols: weight.size };
  withReadable(kernels[storedAs(weight)][storedAs(x)], { x }, ({ x }) =>
    launch(kernels[storedAs(weight)][storedAs(x)], { x, weight, rrms, dy, dx }, sizes, {
      ACCUMULATE: onto ? 1 : 0,
    }),
  );
  return dx;
}

/**
 * Gradient of weight [C].
 * @param x of dy's dtype, or kept in bf16 beside f32
 * @param onto [C]: adds the gradient there and returns it
 */
export function rmsNormBackwardWeight(
  x: Tensor,
  rrms: Tensor,
  dy: Tensor,
  onto: Tensor | null = null,
): Tensor {
  const cols = x.shape.at(-1)!;
  const dweight = onto ?? zeros([cols], { device: x.device, dtype: dy.dtype });
  withReadable(weightKernels[storedAs(x)], { x }, ({ x }) =>
    launch(weightKernels[storedAs(x)], { x, rrms, dy, dweight }, { rows: rrms.size, cols }),
  );
  return dweight;
}
