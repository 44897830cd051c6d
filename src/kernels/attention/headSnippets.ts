// Heads on the GPU: a tensor [B, length, H*D] read and written in place, four columns of a head at a time.

import type { WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";

function vectorRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> { return ${name}[at / 4u + column]; }`,
  };
}

/** The columns past headDim are 0. */
function scalarRow(name: string): WgslSnippet {
  return {
    source: /* wgsl */ `
fn ${name}4(at: u32, column: u32) -> vec4<f32> {
  let d = 4u * column;
  var x = vec4<f32>(${name}[at + d], 0.0, 0.0, 0.0);
  if (d + 1u < params.headDim) { x.y = ${name}[at + d + 1u]; }
  if (d + 2u < params.headDim) { x.z = ${name}[at + d + 2u]; }
  if (d + 3u < params.headDim) { x.w = ${name}[at + d + 3u]; }
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

/** @param reads, writes tensors of heads: gives each of them `<name>4` or `store<Name>4` */
export function headShaders(
  shader: WgslShader,
  reads: readonly string[],
  writes: readonly string[],
): HeadShaders {
  const uses = shader.uses ?? [];
  const views = Object.fromEntries([...reads, ...writes].map((name) => [name, "vec4<f32>"]));
  return {
    vector: {
      ...shader,
      views,
      uses: [...reads.map(vectorRow), ...writes.map(storeVectorRow), ...uses],
    },
    scalar: { ...shader, uses: [...reads.map(scalarRow), ...writes.map(storeScalarRow), ...uses] },
  };
}
