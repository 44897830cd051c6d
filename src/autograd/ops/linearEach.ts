// Several linear layers that read the same x, with their gradients: as `matmul` for each, in fewer dispatches on a GPU.
//
//   y_i = x W_i^T        dx = sum_i dy_i W_i        dW_i = dy_i^T x
//
// dx needs the gradients of all results, and the tape gives a rule one. So the results hang on a tensor without elements, whose
// rule runs when theirs have: they leave it what they got.

import { matmulGroupInto } from "../../kernels/matmul/group.ts";
import { MOST_OF_GROUP } from "../../kernels/matmul/groupBindings.ts";
import type { MatmulOptions } from "../../kernels/matmul/matmul.ts";
import { requireTensors } from "../../tensor/requireTensors.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import { alias, empty, type Tensor } from "../../tensor/tensor.ts";
import { keptDtype, keptOf, releaseKept, type KeepOptions } from "../keptCopies.ts";
import type { TapeNode } from "../tape.ts";
import { record, type RuleContext, type Saved } from "../tape.ts";
import { matmul } from "./matmul.ts";

/**
 * x W^T for each W.
 * @param x f32 or f64 [..., K]
 * @param weights [N, K] each, of x's dtype, or in 16 bits or q8 beside f32 as `matmul` takes them
 * @returns [..., N] for each
 * @throws {ShapeError | DtypeError} as `matmul` with transposeB
 */
export function linearEach(
  x: Tensor,
  weights: readonly Tensor[],
  { roundToF16 = false, keepAs = null }: Pick<MatmulOptions, "roundToF16"> & KeepOptions = {},
): Tensor[] {
  requireTensors("linearEach", { x });
  const options = { transposeB: true, roundToF16, keepAs };
  if (!areAlike(x, weights)) return weights.map((weight) => matmul(x, weight, options));
  const shape = [...x.shape.slice(0, -1), weights[0]!.shape[0]!];
  const results = weights.map(() => empty(x.device, shape, x.dtype));
  matmulGroupInto([x], weights, results, options);
  const wantsWeights = weights.some(({ requiresGrad }) => requiresGrad);
  const dtype = wantsWeights ? keptDtype(keepAs, [x, ...weights]) : null;
  const kept = keptOf(x, dtype);
  const joint = record<Saved>({
    name: "linearEach gradients",
    inputs: [x, ...weights],
    output: empty(x.device, [0], x.dtype),
    saved: { x: wantsWeights ? kept : null, ...(x.requiresGrad ? numbered(weights) : {}) },
    backward: (_, held, context) =>
      gradients(held, context, { shape: x.shape, count: weights.length, roundToF16 }),
  });
  releaseKept(kept, x);
  const recorded = results.map((output, i) => resultOf(joint, [x, ...weights], output, i));
  joint.dispose();
  return recorded;
}

/** Weights by the names that the rule reads them by. */
function numbered(weights: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(weights.map((weight, i) => [`w${i}`, weight]));
}

/** Matrices that one kernel takes: of one shape and dtype, and as many as it has bindings for. */
function areAlike(x: Tensor, weights: readonly Tensor[]): boolean {
  const [first] = weights;
  return (
    first !== undefined &&
    weights.length > 1 &&
    weights.length <= MOST_OF_GROUP &&
    new Set(weights).size === weights.length && // no dispatch may add to one gradient twice
    first.rank === 2 &&
    x.rank >= 2 &&
    x.shape.at(-1) === first.shape[1] &&
    weights.every(({ shape, dtype }) => sameShape(shape, first.shape) && dtype === first.dtype)
  );
}

/** Leaves its gradient with the rule of all. */
function resultOf(joint: Tensor, reads: readonly Tensor[], output: Tensor, i: number): Tensor {
  const node = joint.node;
  return record({
    name: "linearEach",
    inputs: [joint],
    reads,
    output,
    saved: {},
    backward(dy, _, { onto }) {
      (node as TapeNode).hold(`dy${i}`, dy);
      return [onto(0) ?? empty(dy.device, [0], dy.dtype)];
    },
  });
}

interface Sizes {
  /** Of x. */
  readonly shape: readonly number[];
  readonly count: number;
  readonly roundToF16: boolean;
}

function gradients(held: Saved, context: RuleContext, sizes: Sizes): (Tensor | null)[] {
  // From the last to the first, as their own rules would run: sums have the bits they would have.
  const arrived = Array.from({ length: sizes.count }, (_, i) => i)
    .filter((i) => held[`dy${i}`])
    .reverse();
  const ofWeights = gradientsOfWeights(held, context, arrived, sizes);
  const dx = context.needs[0] ? gradientOfX(held, context, arrived, sizes) : null;
  return [dx, ...Array.from({ length: sizes.count }, (_, i) => ofWeights.get(i) ?? null)];
}

function gradientOfX(
  held: Saved,
  { onto }: RuleContext,
  arrived: readonly number[],
  { shape, roundToF16 }: Sizes,
): Tensor {
  const dys = arrived.map((i) => held[`dy${i}`]!);
  const weights = arrived.map((i) => held[`w${i}`]!);
  const present = onto(0);
  const dx = present ?? empty(dys[0]!.device, shape, dys[0]!.dtype);
  matmulGroupInto(dys, weights, [dx], { roundToF16, accumulate: present !== null });
  return dx;
}

function gradientsOfWeights(
  held: Saved,
  { needs, onto }: RuleContext,
  arrived: readonly number[],
  { roundToF16 }: Sizes,
): Map<number, Tensor> {
  const wanted = arrived.filter((i) => needs[1 + i]);
  const found = new Map<number, Tensor>();
  if (wanted.length === 0) return found;
  const x = asMatrix(held["x"]!);
  const present = new Map(wanted.map((i) => [i, onto(1 + i)]));
  for (const adds of [true, false]) {
    const group = wanted.filter((i) => (present.get(i) !== null) === adds);
    if (group.length === 0) continue;
    const dys = group.map((i) => asMatrix(held[`dy${i}`]!));
    const shape = [dys[0]!.shape[1]!, x.shape[1]!];
    const sums = group.map((i) => present.get(i) ?? empty(dys[0]!.device, shape, dys[0]!.dtype));
    matmulGroupInto(dys, [x], sums, { transposeA: true, roundToF16, accumulate: adds });
    group.forEach((i, at) => found.set(i, sums[at]!));
  }
  return found;
}

/** [..., C] as [rows, C]. */
function asMatrix(x: Tensor): Tensor {
  return alias(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
}
