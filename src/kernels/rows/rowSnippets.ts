// Rows of a matrix on the GPU: a workgroup goes along each of them, four elements at a time where rows begin on 16 bytes.

import type { AdapterFacts, WgslPlanned, WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import type { StoredFloat } from "../storedFloats.ts";
import { safeExp } from "../wgsl/math.ts";
import { workgroupMax, workgroupSum } from "../wgsl/reduce.ts";
import { elementReader, vectorReader, type Reader } from "../storedElements.ts";

/** A Part is what an invocation reads at a time; a row has params.cols / PART of them. */
const vectorParts: WgslSnippet = {
  source: /* wgsl */ `
alias Part = vec4<f32>;
const PART = 4u;
fn largestOf(x: Part) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }
fn sumOf(x: Part) -> f32 { return x.x + x.y + x.z + x.w; }
fn partAt(x: Part, i: u32) -> f32 { return x[i]; }
fn unitPart(i: u32) -> Part { return select(Part(0.0), Part(1.0), vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(i)); }`,
};

const scalarParts: WgslSnippet = {
  source: /* wgsl */ `
alias Part = f32;
const PART = 1u;
fn largestOf(x: Part) -> f32 { return x; }
fn sumOf(x: Part) -> f32 { return x; }
fn partAt(x: Part, _i: u32) -> f32 { return x; }
fn unitPart(_i: u32) -> Part { return 1.0; }`,
};

/** One shader text for rows of any length, and for those that are whole vectors. */
export interface RowShaders {
  readonly scalar: WgslShader;
  readonly vector: WgslShader;
}

/** @param matrices the bindings that are arrays of Part */
export function rowShaders(shader: WgslShader, matrices: readonly string[]): RowShaders {
  const uses = shader.uses ?? [];
  const views = Object.fromEntries(matrices.map((name) => [name, "vec4<f32>"]));
  return {
    scalar: { ...shader, uses: [scalarParts, ...uses] },
    vector: { ...shader, uses: [vectorParts, ...uses], views },
  };
}

/**
 * Adds `<name>At(j)` to shaders: the j-th Part of a binding, a row or a matrix, as it is stored. Vectors of what is stored in 16
 * bits are pairs of words.
 */
export function withReader(
  { scalar, vector }: RowShaders,
  name: string,
  stored: StoredFloat,
): RowShaders {
  return {
    scalar: reading(scalar, name, elementReader(name, stored)),
    vector: reading(vector, name, vectorReader(name, stored)),
  };
}

function reading(shader: WgslShader, name: string, { of, view, uses }: Reader): WgslShader {
  const reader = { source: `\nfn ${name}At(j: u32) -> Part { return ${of("j")}; }` };
  return {
    ...shader,
    uses: [...(shader.uses ?? []), ...uses, reader],
    views: { ...shader.views, [name]: view },
  };
}

/**
 * Invocations of a row's workgroup where a CPU plays the GPU: those that one vector of the CPU's computes. Barriers between
 * more of them cost more than the row.
 */
const SOFTWARE_LANES = 4;

/** The shader for rows of `cols`, and a workgroup as large as such rows keep busy. */
export function rowShader(
  { scalar, vector }: RowShaders,
  cols: number,
  { software }: AdapterFacts,
): { readonly shader: WgslShader; readonly workgroupSize: number } {
  const isVector = cols % 4 === 0;
  const shader = isVector ? vector : scalar;
  if (software) return { shader, workgroupSize: SOFTWARE_LANES };
  const parts = isVector ? cols / 4 : cols;
  return { shader, workgroupSize: parts <= 64 ? 32 : parts <= 512 ? 64 : 256 };
}

/** A workgroup for each row. */
export function alongRows(shaders: RowShaders): WgslPlanned<{ rows: number; cols: number }> {
  return {
    plan: ({ params: { rows, cols }, adapter }) => ({
      passes: [{ ...rowShader(shaders, cols, adapter), workgroups: cols === 0 ? 0 : rows }],
    }),
  };
}

/**
 * `laneSum(local, value, stride)`: the sum over the invocations that are multiples of `stride` from this one, `stride` a power of
 * two up to WG. Every invocation must call it, and may do so once. Needs a Part, of `rowShaders`.
 */
export const laneSum: WgslSnippet = {
  source: /* wgsl */ `
var<workgroup> laneParts: array<Part, WG>;
fn laneSum(local: u32, value: Part, stride: u32) -> Part {
  if (stride == WG) { return value; }
  laneParts[local] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half >= stride; half >>= 1u) {
    if (local < half) { laneParts[local] += laneParts[local + half]; }
    workgroupBarrier();
  }
  return laneParts[local % stride];
}`,
};

/**
 * sum exp(x) as exp(most) total, the largest x so far being `most`: no exponential overflows, and one reading of the
 * row does (Milakov & Gimelshein 2018, arXiv 1805.02867, algorithm 3). Needs a Part, of `rowShaders`.
 */
export const expSums: WgslSnippet = {
  uses: [safeExp, workgroupMax, workgroupSum],
  source: /* wgsl */ `
struct ExpSum { most: f32, total: f32 }
const NO_TERMS = ExpSum(-3.4028234663852886e38f, 0.0);
fn safeExpOf(x: Part) -> Part { return select(exp(x), Part(0.0), x < Part(EXP_UNDERFLOW)); }
fn withTerms(sum: ExpSum, x: Part) -> ExpSum {
  let most = max(sum.most, largestOf(x));
  return ExpSum(most, sum.total * safeExp(sum.most - most) + sumOf(safeExpOf(x - most)));
}
fn workgroupExpSum(local: u32, sum: ExpSum) -> ExpSum {
  let most = workgroupMax(local, sum.most);
  return ExpSum(most, workgroupSum(local, sum.total * safeExp(sum.most - most)));
}`,
};
