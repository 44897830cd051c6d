// Gated GELU: y = gelu(a) b, with the tanh approximation that transformers calls gelu_new.
//
//   gelu(a) = a sigmoid(2 u)       u = sqrt(2/pi) (a + 0.044715 a^3)       as (1 + tanh u) / 2 = sigmoid(2 u)
//
// Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2; the gate: Shazeer 2020, arXiv 2002.05202, eq. 6.

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import { defineKernel, launch } from "../kernel.ts";
import { geluSlope, geluValue } from "./pointwise.ts";
import { tanhGelu } from "../wgsl/math.ts";

export const gatedGeluForwardKernel = defineKernel({
  name: "gatedGeluForward",
  inputs: { a: "float", b: "float" },
  outputs: { y: "float" },
  params: { size: "u32" },
  wasm: { name: "gatedGeluForward", units: ({ size }) => size! },
  wgsl: {
    uses: [tanhGelu],
    invocations: ({ size }) => size,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.size) { y[i] = geluValue(a[i]) * b[i]; }
}`,
  },
  plain({ a, b, y }, { size }) {
    for (let i = 0; i < size; i++) y[i] = geluValue(a[i]!) * b[i]!;
  },
});

/** gelu(a) * b. @throws {ShapeError} unless both have one shape */
export function gatedGeluForward(a: Tensor, b: Tensor): Tensor {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(
      `gatedGelu: b must be ${formatShape(a.shape)} as a, got ${formatShape(b.shape)}`,
    );
  }
  const y = empty(a.device, a.shape, a.dtype);
  launch(gatedGeluForwardKernel, { a, b, y }, { size: a.size });
  return y;
}

// da = dy b gelu'(a)        db = dy gelu(a)

export const gatedGeluBackwardKernel = defineKernel({
  name: "gatedGeluBackward",
  inputs: { a: "float", b: "float", dy: "float" },
  outputs: { da: "float", db: "float" },
  params: { size: "u32" },
  wasm: { name: "gatedGeluBackward", units: ({ size }) => size! },
  wgsl: {
    uses: [tanhGelu],
    invocations: ({ size }) => size,
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i >= params.size) { return; }
  da[i] = dy[i] * b[i] * geluSlope(a[i]);
  db[i] = dy[i] * geluValue(a[i]);
}`,
  },
  plain({ a, b, dy, da, db }, { size }) {
    for (let i = 0; i < size; i++) {
      da[i] = dy[i]! * b[i]! * geluSlope(a[i]!);
      db[i] = dy[i]! * geluValue(a[i]!);
    }
  },
});

/** Gradients of both; one exponential serves them. */
export function gatedGeluBackward(a: Tensor, b: Tensor, dy: Tensor): { da: Tensor; db: Tensor } {
  const da = empty(a.device, a.shape, a.dtype);
  const db = empty(b.device, b.shape, b.dtype);
  launch(gatedGeluBackwardKernel, { a, b, dy, da, db }, { size: a.size });
  return { da, db };
}
