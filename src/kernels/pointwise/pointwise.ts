// Pointwise operations: a table of expressions, pasted into one kernel template per family.
//
//   unary   y = f(x)            dx = f'(x) * dy
//   binary  y = f(a, b)         with NumPy's broadcasting; gradients are composed in autograd
//   scalar  y = f(x, s)         s a number, not a tensor
//
// A row is the definition of an op: the WGSL expression and the same expression in TypeScript. The same in WebAssembly is
// in wasm/assembly/pointwise/unary.ts and binary.ts, which know an op by an id that they export under the row's name.

import { invariant } from "../../tensor/errors.ts";
import { broadcastShapes, broadcastStrides, sameShape } from "../../tensor/shape.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { WgslSingle, WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, elementwiseWasm, launch } from "../kernel.ts";
import { axisParams, axisValues, collapseAxes } from "../stridedAxes.ts";
import * as wasmConstants from "../wasm/generated/constants.ts";
import { elementPieces } from "../wgsl/pieces.ts";
import { erfGelu, tanhGelu, safeTanh, wgslSigmoid, tanhSlope } from "../wgsl/math.ts";
import { geluErfSlope, normal } from "./normal.ts";

// ---------------------------------------------------------------------------------------------
// Rows

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** Inner argument of the tanh approximation of GELU (Hendrycks & Gimpel 2016, arXiv 1606.08415, sec. 2). */
function geluInner(x: number): number {
  return SQRT_2_OVER_PI * (x + 0.044715 * x * x * x);
}

/** gelu_new of transformers: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
export function geluValue(x: number): number {
  return 0.5 * x * (1 + Math.tanh(geluInner(x)));
}

/** d gelu_new / dx. */
export function geluSlope(x: number): number {
  const t = Math.tanh(geluInner(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * 0.044715 * x * x);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** A function of numbers, and the same as an expression of WGSL. */
interface Formula<F extends (...args: number[]) => number> {
  readonly js: F;
  readonly wgsl: string;
}

interface UnaryRow {
  /** Of x. */
  readonly y: Formula<(x: number) => number>;
  /** Gradient of the input from x and the gradient of the output. */
  readonly dx: Formula<(x: number, dy: number) => number>;
  /** WGSL functions that the expressions call. */
  readonly uses?: readonly WgslSnippet[];
}

interface ScalarRow extends Formula<(x: number, s: number) => number> {
  /** The same of two tensors. */
  readonly op: BinaryName;
}

const unaryRows = {
  exp: {
    y: { js: Math.exp, wgsl: "exp(x)" },
    dx: { js: (x, dy) => Math.exp(x) * dy, wgsl: "exp(x) * dy" },
  },
  log: {
    y: { js: Math.log, wgsl: "log(x)" },
    dx: { js: (x, dy) => dy / x, wgsl: "dy / x" },
  },
  sqrt: {
    y: { js: Math.sqrt, wgsl: "sqrt(x)" },
    dx: { js: (x, dy) => (0.5 * dy) / Math.sqrt(x), wgsl: "0.5 * dy / sqrt(x)" },
  },
  tanh: {
    y: { js: Math.tanh, wgsl: "safeTanh(x)" },
    // 1 - tanh^2 would cancel.
    dx: { js: (x, dy) => dy / Math.cosh(x) ** 2, wgsl: "tanhSlope(x) * dy" },
    uses: [safeTanh, tanhSlope],
  },
  relu: {
    y: { js: (x) => Math.max(x, 0), wgsl: "max(x, 0.0)" },
    dx: { js: (x, dy) => (x > 0 ? dy : 0), wgsl: "select(0.0, dy, x > 0.0)" },
  },
  gelu: {
    y: { js: geluValue, wgsl: "geluValue(x)" },
    dx: { js: (x, dy) => geluSlope(x) * dy, wgsl: "geluSlope(x) * dy" },
    uses: [tanhGelu],
  },
  geluErf: {
    y: { js: (x) => x * normal(x), wgsl: "x * normal(x)" },
    dx: { js: (x, dy) => geluErfSlope(x) * dy, wgsl: "geluErfSlope(x) * dy" },
    uses: [erfGelu],
  },
  sigmoid: {
    y: { js: sigmoid, wgsl: "sigmoid(x)" },
    // s (1 - s) would cancel.
    dx: { js: (x, dy) => dy / (4 * Math.cosh(x / 2) ** 2), wgsl: "0.25 * tanhSlope(0.5 * x) * dy" },
    uses: [wgslSigmoid, tanhSlope],
  },
  silu: {
    y: { js: (x) => x * sigmoid(x), wgsl: "x * sigmoid(x)" },
    dx: {
      js: (x, dy) => sigmoid(x) * (1 + x * (1 - sigmoid(x))) * dy,
      wgsl: "sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))) * dy",
    },
    uses: [wgslSigmoid],
  },
} satisfies Record<string, UnaryRow>;

const binaryRows = {
  add: { js: (a, b) => a + b, wgsl: "a + b" },
  sub: { js: (a, b) => a - b, wgsl: "a - b" },
  mul: { js: (a, b) => a * b, wgsl: "a * b" },
  div: { js: (a, b) => a / b, wgsl: "a / b" },
} satisfies Record<string, Formula<(a: number, b: number) => number>>;

const scalarRows = {
  addScalar: { op: "add", js: (x, s) => x + s, wgsl: "x + params.s" },
  mulScalar: { op: "mul", js: (x, s) => x * s, wgsl: "x * params.s" },
} as const satisfies Record<string, ScalarRow>;

export type UnaryName = keyof typeof unaryRows;
export type BinaryName = keyof typeof binaryRows;
export type ScalarName = keyof typeof scalarRows;

// ---------------------------------------------------------------------------------------------
// Templates

/**
 * A WGSL body that puts `expression` of the elements of `inputs` into `output`, four elements an invocation: buffers end
 * on 16 bytes, so that the last four may reach past the size.
 */
function elementwise(
  inputs: readonly string[],
  output: string,
  expression: string,
  uses: readonly WgslSnippet[] = [],
): WgslSingle<{ readonly size: number }> {
  const parameters = inputs.map((name) => `${name}: f32`).join(", ");
  const lanes = ["x", "y", "z", "w"].map(
    (lane) => `f(${inputs.map((name) => `${name}[i].${lane}`).join(", ")})`,
  );
  return {
    uses,
    views: Object.fromEntries([...inputs, output].map((name) => [name, "vec4<f32>"])),
    invocations: ({ size }) => Math.ceil(size / 4),
    pieces: () => elementPieces([...inputs, output]),
    source: /* wgsl */ `
fn f(${parameters}) -> f32 { return ${expression}; }
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i * 4u < params.size) { ${output}[i] = vec4<f32>(${lanes.join(", ")}); }
}`,
  };
}

/** By what WebAssembly knows an operation. A row that it lacks does not compile here: silu needs SILU. */
const wasmIds: Readonly<Record<Uppercase<UnaryName | BinaryName>, number>> = wasmConstants;

function wasmId(name: UnaryName | BinaryName): number {
  const id = wasmIds[name.toUpperCase() as Uppercase<typeof name>];
  invariant(id !== undefined, () => `no WebAssembly body for ${name}`);
  return id;
}

function defineUnary(name: UnaryName) {
  const row: UnaryRow = unaryRows[name];
  return {
    forward: defineKernel({
      name: `${name}Forward`,
      inputs: { x: "float" },
      outputs: { y: "float" },
      params: { size: "u32" },
      wasm: elementwiseWasm("unaryForward", wasmId(name)),
      wgsl: elementwise(["x"], "y", row.y.wgsl, row.uses),
      plain({ x, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = row.y.js(x[i]!);
      },
    }),
    backward: defineKernel({
      name: `${name}Backward`,
      inputs: { x: "float", dy: "float" },
      outputs: { dx: "float" },
      params: { size: "u32" },
      wasm: elementwiseWasm("unaryBackward", wasmId(name)),
      wgsl: elementwise(["x", "dy"], "dx", row.dx.wgsl, row.uses),
      plain({ x, dy, dx }, { size }) {
        for (let i = 0; i < size; i++) dx[i] = row.dx.js(x[i]!, dy[i]!);
      },
    }),
  };
}

function defineBinary(name: BinaryName) {
  const { js: f, wgsl } = binaryRows[name];
  return {
    same: defineKernel({
      name,
      inputs: { a: "float", b: "float" },
      outputs: { y: "float" },
      params: { size: "u32" },
      wasm: elementwiseWasm("binary", wasmId(name)),
      wgsl: elementwise(["a", "b"], "y", wgsl),
      plain({ a, b, y }, { size }) {
        for (let i = 0; i < size; i++) y[i] = f(a[i]!, b[i]!);
      },
    }),
    broadcast: defineKernel({
      name: `${name}Broadcast`,
      inputs: { a: "float", b: "float" },
      outputs: { y: "float" },
      // y is [n0, n1, n2, n3]; a and b are read with strides, 0 where repeated
      params: { ...axisParams("n"), ...axisParams("a"), ...axisParams("b") },
      wasm: {
        name: "binaryBroadcast",
        selector: wasmId(name),
        units: ({ n0, n1, n2, n3 }) => n0! * n1! * n2! * n3!,
      },
      wgsl: {
        invocations: ({ n0, n1, n2, n3 }) => n0 * n1 * n2 * n3,
        source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let out = globalIndex(group, local);
  let l = out % params.n3;
  let k = out / params.n3 % params.n2;
  let j = out / (params.n3 * params.n2) % params.n1;
  let i = out / (params.n3 * params.n2 * params.n1);
  if (i < params.n0) {
    let a = a[i * params.a0 + j * params.a1 + k * params.a2 + l * params.a3];
    let b = b[i * params.b0 + j * params.b1 + k * params.b2 + l * params.b3];
    y[out] = ${wgsl};
  }
}`,
      },
      plain({ a, b, y }, p) {
        let out = 0;
        for (let i = 0; i < p.n0; i++)
          for (let j = 0; j < p.n1; j++)
            for (let k = 0; k < p.n2; k++) {
              let atA = i * p.a0 + j * p.a1 + k * p.a2;
              let atB = i * p.b0 + j * p.b1 + k * p.b2;
              for (let l = 0; l < p.n3; l++, atA += p.a3, atB += p.b3) {
                y[out++] = f(a[atA]!, b[atB]!);
              }
            }
      },
    }),
  };
}

function defineScalar(name: ScalarName) {
  const { op, js: f, wgsl } = scalarRows[name];
  return defineKernel({
    name,
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32", s: "f32" },
    wasm: elementwiseWasm("binaryScalar", wasmId(op)),
    wgsl: elementwise(["x"], "y", wgsl),
    plain({ x, y }, { size, s }) {
      for (let i = 0; i < size; i++) y[i] = f(x[i]!, s);
    },
  });
}

const unaryKernels = mapRows(unaryRows, defineUnary);
const binaryKernels = mapRows(binaryRows, defineBinary);
const scalarKernels = mapRows(scalarRows, defineScalar);

function mapRows<N extends string, K>(
  rows: Record<N, unknown>,
  define: (name: N) => K,
): Record<N, K> {
  const names = Object.keys(rows) as N[];
  return Object.fromEntries(names.map((name) => [name, define(name)])) as Record<N, K>;
}

// ---------------------------------------------------------------------------------------------
// Launchers

/** y = f(x). */
export function unaryForward(name: UnaryName, x: Tensor): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(unaryKernels[name].forward, { x, y }, { size: x.size });
  return y;
}

/** dx = f'(x) * dy. */
export function unaryBackward(name: UnaryName, x: Tensor, dy: Tensor): Tensor {
  const dx = empty(x.device, x.shape, x.dtype);
  launch(unaryKernels[name].backward, { x, dy, dx }, { size: x.size });
  return dx;
}

/** y = f(x, s) for a number s. */
export function scalarForward(name: ScalarName, x: Tensor, s: number): Tensor {
  const y = empty(x.device, x.shape, x.dtype);
  launch(scalarKernels[name], { x, y }, { size: x.size, s });
  return y;
}

/**
 * y = f(a, b) with broadcasting.
 * @throws {ShapeError} when the shapes do not broadcast, or mix more than four separate axes
 */
export function binaryForward(name: BinaryName, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes(name, a.shape, b.shape);
  const y = empty(a.device, shape, a.dtype);
  if (sameShape(a.shape, b.shape)) {
    launch(binaryKernels[name].same, { a, b, y }, { size: y.size });
    return y;
  }
  const strides = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  const axes = collapseAxes(name, shape, strides);
  launch(
    binaryKernels[name].broadcast,
    { a, b, y },
    {
      ...axisValues("n", axes.shape),
      ...axisValues("a", axes.strides[0]!),
      ...axisValues("b", axes.strides[1]!),
    },
  );
  return y;
}

export const addForward = (a: Tensor, b: Tensor): Tensor => binaryForward("add", a, b);
export const mulForward = (a: Tensor, b: Tensor): Tensor => binaryForward("mul", a, b);
