// Gated GELU: y = gelu(a) b, with the tanh approximation that transformers calls gelu_new; dropout of it in the same pass.
//
//   gelu(a) = a sigmoid(2 u)       u = sqrt(2/pi) (a + 0.044715 a^3)       as (1 + tanh u) / 2 = sigmoid(2 u)
//   y_i = m_i gelu(a_i) b_i        m_i the factor by which dropout.ts multiplies element i, 1 without dropout
//
// Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2; the gate: Shazeer 2020, arXiv 2002.05202, eq. 6.
//
// With dropout every body rounds where dropout of the finished y would: to the dtype of y before the factor, and dy times
// the factor before the rest. So on one device results are those of the two ops (exactly, on the cpu device).

import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WasmPlanned, WasmPlannedFunction } from "../../tensor/wasm.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import {
  dropoutParamTypes,
  dropoutUnits,
  dropoutVarying,
  keepFactors,
  keepFactors4,
  noDropout,
  type DropoutParams,
} from "./dropout.ts";
import { geluSlope, geluValue } from "./pointwise.ts";
import { tanhGelu } from "../wgsl/math.ts";

const params = { size: "u32", ...dropoutParamTypes } as const;

/** 1 where elements are dropped; else the params of dropout are not read. */
const constants = { DROPOUT: "u32" } as const;

const tanhGelu4: WgslSnippet = {
  uses: [tanhGelu],
  source: /* wgsl */ `
fn geluValue4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(geluValue(x.x), geluValue(x.y), geluValue(x.z), geluValue(x.w));
}
fn geluSlope4(x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(geluSlope(x.x), geluSlope(x.y), geluSlope(x.z), geluSlope(x.w));
}`,
};

/** Two functions, of which one draws dropout's factors. */
function wasmBody(name: string): WasmPlanned {
  const whole: WasmPlannedFunction = { name };
  const dropped: WasmPlannedFunction = { name: `${name}Dropout`, takesScratch: true };
  return {
    functions: [whole, dropped],
    plan({ params, constants }) {
      if (constants["DROPOUT"] === 0)
        return { passes: [{ function: whole, units: params["size"]! }] };
      const units = dropoutUnits.units(params);
      return { passes: [{ function: dropped, units, scratchBytes: dropoutUnits.scratch() }] };
    },
  };
}

/** Views and grid of both WGSL bodies: four elements an invocation, one block of dropout's stream. */
const vectors = (bindings: readonly string[]) => ({
  uses: [tanhGelu4, keepFactors4],
  views: Object.fromEntries(bindings.map((name) => [name, "vec4<f32>"])),
  invocations: ({ size }: { readonly size: number }) => Math.ceil(size / 4),
});

export const gatedGeluForwardKernel = defineKernel({
  name: "gatedGeluForward",
  inputs: { a: "float", b: "float" },
  outputs: { y: "float" },
  params,
  varying: dropoutVarying,
  constants,
  wasm: wasmBody("gatedGeluForward"),
  wgsl: {
    ...vectors(["a", "b", "y"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u >= params.size) { return; }
  var value = geluValue4(a[i]) * b[i];
  if (DROPOUT == 1u) { value *= keepFactors4(i); }
  y[i] = value;
}`,
  },
  plain({ a, b, y }, { size, ...dropout }, { DROPOUT }) {
    for (let i = 0; i < size; i++) y[i] = geluValue(a[i]!) * b[i]!;
    if (DROPOUT === 0) return;
    const keep = keepFactors(dropout);
    for (let i = 0; i < size; i++) y[i] = y[i]! * keep(i);
  },
});

/**
 * gelu(a) * b, and dropout of it.
 * @param dropout of `dropoutParams`; null drops nothing
 * @throws {ShapeError} unless both have one shape
 */
export function gatedGeluForward(a: Tensor, b: Tensor, dropout: DropoutParams | null): Tensor {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(
      `gatedGelu: b must be ${formatShape(a.shape)} as a, got ${formatShape(b.shape)}`,
    );
  }
  const y = empty(a.device, a.shape, a.dtype);
  launch(gatedGeluForwardKernel, { a, b, y }, ...scalars(a.size, dropout));
  return y;
}

function scalars(size: number, dropout: DropoutParams | null) {
  return [{ size, ...(dropout ?? noDropout) }, { DROPOUT: dropout ? 1 : 0 }] as const;
}

// da = m dy b gelu'(a)        db = m dy gelu(a)

export const gatedGeluBackwardKernel = defineKernel({
  name: "gatedGeluBackward",
  inputs: { a: "float", b: "float", dy: "float" },
  outputs: { da: "float", db: "float" },
  params,
  varying: dropoutVarying,
  constants,
  wasm: wasmBody("gatedGeluBackward"),
  wgsl: {
    ...vectors(["a", "b", "dy", "da", "db"]),
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u >= params.size) { return; }
  var upstream = dy[i];
  if (DROPOUT == 1u) { upstream *= keepFactors4(i); }
  da[i] = upstream * b[i] * geluSlope4(a[i]);
  db[i] = upstream * geluValue4(a[i]);
}`,
  },
  plain({ a, b, dy, da, db }, { size, ...dropout }, { DROPOUT }) {
    const keep = DROPOUT === 1 ? keepFactors(dropout) : () => 1;
    for (let i = 0; i < size; i++) {
      db[i] = dy[i]! * keep(i); // rounded to the dtype by being written
      const upstream = db[i]!;
      da[i] = upstream * b[i]! * geluSlope(a[i]!);
      db[i] = upstream * geluValue(a[i]!);
    }
  },
});

/** Gradients of both; one exponential serves them. @param dropout that of the forward pass */
export function gatedGeluBackward(
  a: Tensor,
  b: Tensor,
  dy: Tensor,
  dropout: DropoutParams | null,
): { da: Tensor; db: Tensor } {
  const da = empty(a.device, a.shape, a.dtype);
  const db = empty(b.device, b.shape, b.dtype);
  launch(gatedGeluBackwardKernel, { a, b, dy, da, db }, ...scalars(a.size, dropout));
  return { da, db };
}
