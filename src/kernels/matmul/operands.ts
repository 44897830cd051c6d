// How a shader of the matmul family reads a, b and writes c: the text of readA4, readA1, readB4, readB1 and of put4, put1.
//
// `at` is an element's index. The wide forms touch four neighbours at once; they may reach past the end of a
// row into the next, so their callers keep out what they must not see.

import type { WgslSnippet } from "../../tensor/wgsl.ts";
import { codecs } from "../storedFloats.ts";
import { q8Snippet } from "../wgsl/q8.ts";
import type { StoredB } from "./storedB.ts";

/** What a shader of the family is made for. Each combination is one shader object. */
export interface Operands {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly b: StoredB;
  /** Rows of a, b and c as they are stored, and everything added to their indices, are multiples of 4. */
  readonly aligned: boolean;
}

export const LANES = ["x", "y", "z", "w"] as const;

/** Text for each of 0..count-1. */
export function each(count: number, text: (i: number) => string, separator = "\n"): string {
  return Array.from({ length: count }, (_, i) => text(i)).join(separator);
}

/** Element types of the bindings, where they are not those declared. No output: its elements are scalars. */
export function viewsOf(
  operands: Operands,
  output: string | null,
): Readonly<Record<string, string>> {
  const { aligned, b } = operands;
  if (!aligned) return {};
  return {
    a: "vec4<f32>",
    ...(b === "q8" ? {} : { b: b === "f32" ? "vec4<f32>" : "vec2<u32>" }),
    ...(output !== null && writesVectors(operands) ? { [output]: "vec4<f32>" } : {}),
  };
}

/** With b along k, an invocation's columns lie apart; and writing one component may write its whole vector. */
function writesVectors({ aligned, transposeB }: Operands): boolean {
  return aligned && !transposeB;
}

export function snippetsOf({ b }: Operands): readonly WgslSnippet[] {
  if (b === "f32") return [];
  return [b === "q8" ? q8Snippet : codecs[b].snippet];
}

const readers = { a: "readA", b: "readB" } as const;

/** The text of an element of a or b: of the binding of that name, or of the one of several that is meant (groupShader.ts). */
export type ElementText = (name: "a" | "b", index: string) => string;

export const ofOneBinding: ElementText = (name, index) => `${name}[${index}]`;

function fourScalars(name: "a" | "b", element: ElementText): string {
  const four = each(4, (e) => element(name, e === 0 ? "at" : `at + ${e}u`), ", ");
  return /* wgsl */ `
fn ${readers[name]}1(at: u32) -> f32 { return ${element(name, "at")}; }
fn ${readers[name]}4(at: u32) -> vec4<f32> {
  return vec4<f32>(${four});
}`;
}

const oneVector = (name: "a" | "b", element: ElementText): string => /* wgsl */ `
fn ${readers[name]}4(at: u32) -> vec4<f32> { return ${element(name, "at >> 2u")}; }
fn ${readers[name]}1(at: u32) -> f32 { return ${element(name, "at >> 2u")}[at & 3u]; }`;

function halfs(call: string, aligned: boolean, element: ElementText): string {
  if (aligned) {
    return /* wgsl */ `
fn readB4(at: u32) -> vec4<f32> {
  let words = ${element("b", "at >> 2u")};
  return vec4<f32>(${call}(words.x), ${call}(words.y));
}
fn readB1(at: u32) -> f32 { return readB4(at)[at & 3u]; }`;
  }
  return /* wgsl */ `
fn readB1(at: u32) -> f32 { return ${call}(${element("b", "at >> 1u")})[at & 1u]; }
fn readB4(at: u32) -> vec4<f32> { return vec4<f32>(readB1(at), readB1(at + 1u), readB1(at + 2u), readB1(at + 3u)); }`;
}

/** Of q8 four neighbours of an aligned index are a word; elsewhere each is looked up. */
function blocks(aligned: boolean, element: ElementText): string {
  const four = `unpackQ8(${element("b", "q8WordAt(at)")}, ${element("b", "q8ScaleAt(at)")})`;
  return /* wgsl */ `
fn readB1(at: u32) -> f32 { return ${four}[at & 3u]; }
fn readB4(at: u32) -> vec4<f32> {
  return ${
    aligned ? four : "vec4<f32>(readB1(at), readB1(at + 1u), readB1(at + 2u), readB1(at + 3u))"
  };
}`;
}

/** readA1, readA4, readB1 and readB4. */
export function reading({ aligned, b }: Operands, element: ElementText = ofOneBinding): string {
  const plain = aligned ? oneVector : fourScalars;
  if (b === "q8") return plain("a", element) + blocks(aligned, element);
  const right = b === "f32" ? plain("b", element) : halfs(codecs[b].unpack, aligned, element);
  return plain("a", element) + right;
}

/**
 * put1 (where columns lie apart) and put4, which write to `output` or, where the kernel's ACCUMULATE says so, add to it.
 * @param adds false for parts that are added up later
 */
export function writing(operands: Operands, output: string, adds: boolean): string {
  const store = (place: string, value: string): string =>
    adds
      ? `if (ACCUMULATE == 1u) { ${place} += ${value}; } else { ${place} = ${value}; }`
      : `${place} = ${value};`;
  if (writesVectors(operands)) {
    return /* wgsl */ `
fn put4(at: u32, values: vec4<f32>, count: u32) { ${store(`${output}[at >> 2u]`, "values")} }`;
  }
  return /* wgsl */ `
fn put1(at: u32, value: f32) { ${store(`${output}[at]`, "value")} }
fn put4(at: u32, values: vec4<f32>, count: u32) {
${each(4, (e) => `  if (count > ${e}u) { put1(at + ${e}u, values.${LANES[e]}); }`)}
}`;
}
