// Gated GELU: y = gelu(a) b, with the tanh approximation that transformers calls gelu_new; dropout of it in the same pass.
//
//   gelu(a) = a sigmoid(2 u)       u = sqrt(2/pi) (a + 0.044715 a^3)       as (1 + tanh u) / 2 = sigmoid(2 u)
//   y_i = m_i gelu(a_i) b_i        m_i the factor by which dropout.ts multiplies element i, 1 without dropout
//
// Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2; the gate: Shazeer 2020, arXiv 2002.05202, eq. 6.
//
// With dropout every body rounds where dropout of the finished y would: to the dtype of y before the factor, and dy times
// the factor before the rest. So on one device results are those of the two ops (exactly, on the cpu device).

import type { FloatArray, HalfDtype } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { formatShape, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WasmPlanned, WasmPlannedFunction } from "../../tensor/wasm.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";
import {
  narrowInto,
  readingFloats,
  suffixOfKept,
  withReadable,
  writesCopies,
} from "./keptCopies.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedAs, storedFloats } from "../storedFloats.ts";
import { castForward } from "./cast.ts";
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
import { narrow4, vectorReader } from "../storedElements.ts";

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

/** @param keep stores in 16 bits what backward reads of vector i: its y, `value`, and a and b */
const forwardSource = (keep: string): string => /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u >= params.size) { return; }
  var value = geluValue4(a[i]) * b[i];
  if (DROPOUT == 1u) { value *= keepFactors4(i); }
  y[i] = value;${keep}
}`;

type Arrays<K extends string> = Readonly<Record<K, FloatArray>>;
type Scalars<K> = Readonly<Record<keyof K, number>>;

/** The plain body. */
function gate(
  { a, b, y }: Arrays<"a" | "b" | "y">,
  { size, ...dropout }: Scalars<typeof params>,
  { DROPOUT }: Scalars<typeof constants>,
): void {
  for (let i = 0; i < size; i++) y[i] = geluValue(a[i]!) * b[i]!;
  if (DROPOUT === 0) return;
  const keep = keepFactors(dropout);
  for (let i = 0; i < size; i++) y[i] = y[i]! * keep(i);
}

export const gatedGeluForwardKernel = defineKernel({
  name: "gatedGeluForward",
  inputs: { a: "float", b: "float" },
  outputs: { y: "float" },
  params,
  varying: dropoutVarying,
  constants,
  wasm: wasmBody("gatedGeluForward"),
  wgsl: { ...vectors(["a", "b", "y"]), source: forwardSource("") },
  plain: gate,
});

/** The same in a GPU's pass with the copies, for whole vectors. */
function defineKeeping(keepAs: HalfDtype) {
  const { uses, views, invocations } = vectors(["a", "b", "y"]);
  const pairs = "vec2<u32>";
  return defineKernel({
    name: `gatedGeluForwardKeeping${storedFloats[keepAs].suffix}`,
    inputs: { a: "float", b: "float" },
    outputs: { y: "float", keptA: keepAs, keptB: keepAs, keptY: keepAs },
    params,
    varying: dropoutVarying,
    constants,
    wgsl: {
      uses: [...uses, narrow4("narrow", keepAs)],
      views: { ...views, keptA: pairs, keptB: pairs, keptY: pairs },
      invocations,
      source: forwardSource(/* wgsl */ `
  keptA[i] = narrow(a[i]);
  keptB[i] = narrow(b[i]);
  keptY[i] = narrow(value);`),
    },
    plain({ keptA, keptB, keptY, ...arrays }, scalars, constants) {
      gate(arrays, scalars, constants);
      narrowInto(keptA, arrays.a, keepAs);
      narrowInto(keptB, arrays.b, keepAs);
      narrowInto(keptY, arrays.y, keepAs);
    },
  });
}

const keepingKernels = { bf16: defineKeeping("bf16"), f16: defineKeeping("f16") };

type Three = [Tensor, Tensor, Tensor];

/** What backward reads of a gated GELU, in 16 bits. */
interface KeptOfGate {
  readonly a: Tensor;
  readonly b: Tensor;
  /** The result, which the layer behind it reads again. */
  readonly y: Tensor;
}

/**
 * gelu(a) * b, and dropout of it.
 * @param dropout of `dropoutParams`; null drops nothing
 * @param keepAs gives copies in 16 bits for the backward pass, too, of f32 tensors
 * @throws {ShapeError} unless both have one shape
 */
export function gatedGeluForward(
  a: Tensor,
  b: Tensor,
  dropout: DropoutParams | null,
  keepAs: HalfDtype | null = null,
): { readonly y: Tensor; readonly kept: KeptOfGate | null } {
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(
      `gatedGelu: b must be ${formatShape(a.shape)} as a, got ${formatShape(b.shape)}`,
    );
  }
  const y = empty(a.device, a.shape, a.dtype);
  const values = scalars(a.size, dropout);
  if (keepAs !== null && writesCopies(keepingKernels[keepAs], a, a.size)) {
    const [keptA, keptB, keptY] = [a, b, y].map((x) => empty(x.device, x.shape, keepAs)) as Three;
    launch(keepingKernels[keepAs], { a, b, y, keptA, keptB, keptY }, ...values);
    return { y, kept: { a: keptA, b: keptB, y: keptY } };
  }
  launch(gatedGeluForwardKernel, { a, b, y }, ...values);
  if (keepAs === null) return { y, kept: null };
  const [keptA, keptB, keptY] = [a, b, y].map((x) => castForward(x, keepAs)) as Three;
  return { y, kept: { a: keptA, b: keptB, y: keptY } };
}

function scalars(size: number, dropout: DropoutParams | null) {
  return [{ size, ...(dropout ?? noDropout) }, { DROPOUT: dropout ? 1 : 0 }] as const;
}

// da = m dy b gelu'(a)        db = m dy gelu(a)

const kernels = perStoredFloat((stored) => {
  const { binding, widen } = storedFloats[stored];
  const { uses, views, invocations } = vectors(["dy", "da", "db"]);
  const [readA, readB] = [vectorReader("a", stored), vectorReader("b", stored)];
  return defineKernel({
    name: `gatedGeluBackward${suffixOfKept(stored)}`,
    inputs: { a: binding, b: binding, dy: "float" },
    outputs: { da: "float", db: "float" },
    params,
    varying: dropoutVarying,
    constants,
    ...readingFloats(stored, wasmBody("gatedGeluBackward")),
    wgsl: {
      uses: [...uses, ...readA.uses],
      views: { ...views, a: readA.view, b: readB.view },
      invocations,
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u >= params.size) { return; }
  var upstream = dy[i];
  if (DROPOUT == 1u) { upstream *= keepFactors4(i); }
  let x = ${readA.of("i")};
  da[i] = upstream * ${readB.of("i")} * geluSlope4(x);
  db[i] = upstream * geluValue4(x);
}`,
    },
    plain({ dy, da, db, ...stored }, { size, ...dropout }, { DROPOUT }) {
      const [a, b] = [widen(stored.a), widen(stored.b)];
      const keep = DROPOUT === 1 ? keepFactors(dropout) : () => 1;
      for (let i = 0; i < size; i++) {
        db[i] = dy[i]! * keep(i); // rounded to the dtype by being written
        const upstream = db[i]!;
        da[i] = upstream * b[i]! * geluSlope(a[i]!);
        db[i] = upstream * geluValue(a[i]!);
      }
    },
  });
});

/**
 * Gradients of both; one exponential serves them.
 * @param a, b of dy's dtype, or both kept in 16 bits beside f32
 * @param dropout that of the forward pass
 */
export function gatedGeluBackward(
  a: Tensor,
  b: Tensor,
  dy: Tensor,
  dropout: DropoutParams | null,
): { da: Tensor; db: Tensor } {
  const da = empty(a.device, a.shape, dy.dtype);
  const db = empty(b.device, b.shape, dy.dtype);
  withReadable(kernels[storedAs(a)], { a, b }, ({ a, b }) =>
    launch(kernels[storedAs(a)], { a, b, dy, da, db }, ...scalars(a.size, dropout)),
  );
  return { da, db };
}
