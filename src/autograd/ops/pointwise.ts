// Pointwise arithmetic with broadcasting, and activations. Activations, and the product with a gate, can keep what backward reads in
// 16 bits (`keepAs`): a cast makes it and another widens it. FLAN-T5's gate does it in its own passes (gatedGelu.ts).

import type { BinaryName, UnaryName } from "../../kernels/pointwise/pointwise.ts";
import {
  binaryForward,
  scalarForward,
  unaryBackward,
  unaryForward,
} from "../../kernels/pointwise/pointwise.ts";
import { sumToForward } from "../../kernels/rows/reduce.ts";
import { castForward } from "../../kernels/pointwise/cast.ts";
import { isHalf } from "../../tensor/dtype.ts";
import { requireNumber, requireTensors } from "../../tensor/requireTensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { keptDtype, keptOf, releaseKept, type KeepOptions } from "../keptCopies.ts";
import { record } from "../tape.ts";

type Rule = (dy: Tensor, a: Tensor, b: Tensor) => Tensor;

/** `da` and `db` give gradients of the broadcast shape; undoing the broadcast happens here, once. */
function recordBinary(
  name: BinaryName,
  a: Tensor,
  b: Tensor,
  [da, db]: readonly [Rule, Rule],
  { keepAs }: KeepOptions = {},
): Tensor {
  requireTensors(name, { a, b }, "For a number use addScalar() or mulScalar().");
  const shapes = [a.shape, b.shape] as const;
  const output = binaryForward(name, a, b);
  const dtype = keptDtype(keepAs, [a, b]);
  const isLinear = name !== "mul" && name !== "div";
  const keptA = keptOf(a, dtype);
  const keptB = b === a ? keptA : keptOf(b, dtype);
  const recorded = record({
    name,
    inputs: [a, b],
    output,
    saved: isLinear ? { a: null, b: null } : { a: keptA, b: keptB },
    backward(dy, saved, { needs }) {
      // Linear rules ignore a and b; then nothing was saved and dy stands in.
      const x = saved.a ? widened(saved.a) : dy;
      const y = saved.b ? widened(saved.b) : dy;
      return [
        needs[0] ? sumToForward(da(dy, x, y), shapes[0]) : null,
        needs[1] ? sumToForward(db(dy, x, y), shapes[1]) : null,
      ];
    },
  });
  releaseKept(keptA, a);
  if (b !== a) releaseKept(keptB, b);
  return recorded;
}

/** What a rule computes with of what was saved; a rule's scope frees it. */
function widened(saved: Tensor): Tensor {
  return isHalf(saved.dtype) ? castForward(saved, "f32") : saved;
}

/** a + b with broadcasting. @throws {ShapeError} when the shapes do not broadcast */
export function add(a: Tensor, b: Tensor): Tensor {
  return recordBinary("add", a, b, [identity, identity]);
}

/** a - b with broadcasting. @throws {ShapeError} when the shapes do not broadcast */
export function sub(a: Tensor, b: Tensor): Tensor {
  return recordBinary("sub", a, b, [identity, (dy) => scalarForward("mulScalar", dy, -1)]);
}

/** a * b with broadcasting. @throws {ShapeError} when the shapes do not broadcast */
export function mul(a: Tensor, b: Tensor, options: KeepOptions = {}): Tensor {
  const da: Rule = (dy, _x, y) => binaryForward("mul", dy, y);
  const db: Rule = (dy, x) => binaryForward("mul", dy, x);
  return recordBinary("mul", a, b, [da, db], options);
}

/** a / b with broadcasting. @throws {ShapeError} when the shapes do not broadcast */
export function div(a: Tensor, b: Tensor): Tensor {
  const da: Rule = (dy, _x, y) => binaryForward("div", dy, y);
  // d(a/b)/db = -a / b^2
  const db: Rule = (dy, x, y) =>
    scalarForward(
      "mulScalar",
      binaryForward("div", binaryForward("mul", dy, binaryForward("div", x, y)), y),
      -1,
    );
  return recordBinary("div", a, b, [da, db]);
}

function identity(dy: Tensor): Tensor {
  return dy;
}

/** x + s for a number s. */
export function addScalar(x: Tensor, s: number): Tensor {
  requireTensors("addScalar", { x });
  requireNumber("addScalar", "s", s, "add");
  return record({
    name: "addScalar",
    inputs: [x],
    output: scalarForward("addScalar", x, s),
    saved: {},
    backward: (dy) => [dy],
  });
}

/** x * s for a number s. */
export function mulScalar(x: Tensor, s: number): Tensor {
  requireTensors("mulScalar", { x });
  requireNumber("mulScalar", "s", s, "mul");
  return record({
    name: "mulScalar",
    inputs: [x],
    output: scalarForward("mulScalar", x, s),
    saved: {},
    backward: (dy) => [scalarForward("mulScalar", dy, s)],
  });
}

function unary(name: UnaryName, x: Tensor, { keepAs }: KeepOptions = {}): Tensor {
  requireTensors(name, { x });
  const output = unaryForward(name, x);
  const kept = keptOf(x, keptDtype(keepAs, [x]));
  const recorded = record({
    name,
    inputs: [x],
    output,
    saved: { x: kept },
    backward: (dy, { x }) => [unaryBackward(name, widened(x), dy)],
  });
  releaseKept(kept, x);
  return recorded;
}

/** -x */
export const neg = (x: Tensor): Tensor => mulScalar(x, -1);
/** e^x */
export const exp = (x: Tensor): Tensor => unary("exp", x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary("log", x);
/** Square root; NaN below 0. */
export const sqrt = (x: Tensor): Tensor => unary("sqrt", x);
/** Hyperbolic tangent. */
export const tanh = (x: Tensor, options?: KeepOptions): Tensor => unary("tanh", x, options);
/** max(x, 0); the slope at 0 is 0. */
export const relu = (x: Tensor, options?: KeepOptions): Tensor => unary("relu", x, options);
/** gelu_new of transformers: the tanh approximation, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
export const gelu = (x: Tensor, options?: KeepOptions): Tensor => unary("gelu", x, options);
/** x P(Z <= x), Z standard normal: 0.5 x (1 + erf(x / sqrt 2)), which torch and transformers call gelu; within 1e-6 in f32. */
export const geluErf = (x: Tensor, options?: KeepOptions): Tensor => unary("geluErf", x, options);
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => unary("sigmoid", x);
/** x * sigmoid(x), also called swish. */
export const silu = (x: Tensor, options?: KeepOptions): Tensor => unary("silu", x, options);
