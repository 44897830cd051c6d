// Heads on the GPU: a tensor [B, length, H*D] read and written in place, four columns of a head at a time.

import type { WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import { elementReader, vectorReader } from "../storedElements.ts";
import type { StoredFloat } from "../storedFloats.ts";

function vectorRow(name: string, stored: StoredFloat): WgslSnippet {
  const { of, uses } = vectorReader(name, stored);
  return {
    uses,
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> { return ${of("at / 4u + column")}; }`,
  };
}

/** The columns past headDim are 0. */
function scalarRow(name: string, stored: StoredFloat): WgslSnippet {
  const { of, uses } = elementReader(name, stored);
  return {
    uses,
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> {
  let d = 4u * column;
  var x = vec4<f32>(${of("at + d")}, 0.0, 0.0, 0.0);
  if (d + 1u < params.headDim) { x.y = ${of("at + d + 1u")}; }
  if (d + 2u < params.headDim) { x.z = ${of("at + d + 2u")}; }
  if (d + 3u < params.headDim) { x.w = ${of("at + d + 3u")}; }
  return x;
}`,
  };
}

function storeVectorRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn store${capital(name)}4(at: u32, column: u32, x: vec4<f32>) { ${name}[at / 4u + column] = x; }`,
  };
}

function storeScalarRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn store${capital(name)}4(at: u32, column: u32, x: vec4<f32>) {
  let d = 4u * column;
  ${name}[at + d] = x.x;
  if (d + 1u < params.headDim) { ${name}[at + d + 1u] = x.y; }
  if (d + 2u < params.headDim) { ${name}[at + d + 2u] = x.z; }
  if (d + 3u < params.headDim) { ${name}[at + d + 3u] = x.w; }
}`,
  };
}

export function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** Of tensors [B, length, H*D]; needs params heads and headDim. */
export const headPlaces: WgslSnippet = {
  source: /* wgsl */ `
fn headColumns() -> u32 { return (params.headDim + 3u) / 4u; }
/** Of a position among those of all rows. */
fn headOf(position: u32, h: u32) -> u32 { return (position * params.heads + h) * params.headDim; }
fn headAt(b: u32, length: u32, t: u32, h: u32) -> u32 { return headOf(b * length + t, h); }`,
};

/** A shader's text for heads that are whole vectors, and for others. */
export interface HeadShaders {
  readonly vector: WgslShader;
  readonly scalar: WgslShader;
}

/** The tensors of heads of a shader. */
export interface HeadTensors {
  /** Gives each of them `<name>4`. */
  readonly reads: readonly string[];
  /** Gives each of them `store<Name>4`. */
  readonly writes: readonly string[];
  /** Those of `reads` that may be stored in 16 bits. */
  readonly kept?: readonly string[];
}

/** @param stored how the tensors of `kept` are stored */
export function headShaders(
  shader: WgslShader,
  { reads, writes, kept = [] }: HeadTensors,
  stored: StoredFloat = "f32",
): HeadShaders {
  const uses = shader.uses ?? [];
  const storedAs = (name: string): StoredFloat => (kept.includes(name) ? stored : "f32");
  const viewOf = (name: string): string => vectorReader(name, storedAs(name)).view;
  const views = Object.fromEntries([...reads, ...writes].map((name) => [name, viewOf(name)]));
  const vectors = [
    ...reads.map((name) => vectorRow(name, storedAs(name))),
    ...writes.map(storeVectorRow),
  ];
  const scalars = [
    ...reads.map((name) => scalarRow(name, storedAs(name))),
    ...writes.map(storeScalarRow),
  ];
  return {
    vector: { ...shader, views: { ...views, ...shader.views }, uses: [...vectors, ...uses] },
    scalar: { ...shader, uses: [...scalars, ...uses] },
  };
}
