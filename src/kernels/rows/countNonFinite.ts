// How many elements of a tensor are NaN, and how many are infinite: what detectAnomaly reads instead of the elements.
//
//   counts[2 index]     += number of x_i that are NaN
//   counts[2 index + 1] += number of x_i that are +Infinity or -Infinity
//
// Threads and workgroups add atomically: the counts are whole numbers, so the order changes nothing.

import { isHalf } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WgslShader, WgslSnippet } from "../../tensor/wgsl.ts";
import { defineKernel, launch } from "../kernel.ts";
import { perStoredFloat, storedFloats, type StoredFloat } from "../storedFloats.ts";
import { elementPieces } from "../wgsl/pieces.ts";

/** Elements that a thread counts before it adds to the counts of all. */
const BLOCK = 4096;

/**
 * By bits, for comparisons with NaN and infinities may be assumed away. The functions that tell the shaders of the three
 * element types apart: elements in a word, and the bits of one without its sign.
 */
const bitsOf: Readonly<Record<StoredFloat, WgslSnippet>> = {
  f32: wordBits(1, "0x7f800000u"),
  bf16: wordBits(2, "0x7f80u"),
  f16: wordBits(2, "0x7c00u"),
};

/** @param infinity its bits: those of larger magnitudes are NaN */
function wordBits(perWord: 1 | 2, infinity: string): WgslSnippet {
  const magnitude =
    perWord === 1 ? "word & 0x7fffffffu" : "extractBits(word, 16u * part, 16u) & 0x7fffu";
  return {
    source: /* wgsl */ `
const PER_WORD = ${perWord}u;
const INFINITY_BITS = ${infinity};
fn magnitudeBits(word: u32, part: u32) -> u32 { return ${magnitude}; }`,
  };
}

const source: WgslShader["source"] = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let at = globalIndex(group, local);
  var i = at * 4u * PER_WORD;
  if (i >= params.size) { return; }
  let words = x[at];
  var nans = 0u;
  var infinities = 0u;
  for (var lane = 0u; lane < 4u; lane++) {
    for (var part = 0u; part < PER_WORD; part++) {
      let bits = magnitudeBits(words[lane], part);
      if (i < params.size) {
        nans += select(0u, 1u, bits > INFINITY_BITS);
        infinities += select(0u, 1u, bits == INFINITY_BITS);
      }
      i++;
    }
  }
  if (nans > 0u) { atomicAdd(&counts[2u * params.index], nans); }
  if (infinities > 0u) { atomicAdd(&counts[2u * params.index + 1u], infinities); }
}`;

const kernels = perStoredFloat((stored) => {
  const { binding, suffix, selector, widen } = storedFloats[stored];
  const perInvocation = stored === "f32" ? 4 : 8;
  return defineKernel({
    name: `countNonFinite${suffix}`,
    inputs: { x: binding },
    outputs: { counts: "u32" },
    params: { size: "u32", block: "u32", index: "u32" },
    varying: ["index"],
    wasm: {
      ...{ name: "countNonFinite", selector },
      units: ({ size, block }) => Math.ceil(size! / block!),
    },
    wgsl: {
      uses: [bitsOf[stored]],
      views: { x: "vec4<u32>", counts: "atomic<u32>" },
      invocations: ({ size }) => Math.ceil(size / perInvocation),
      pieces: () => elementPieces(["x"]),
      source,
    },
    plain({ x, counts }, { size, index }) {
      const values = widen(x);
      for (let i = 0; i < size; i++) {
        const value = values[i]!;
        if (Number.isNaN(value)) counts[2 * index]!++;
        else if (!Number.isFinite(value)) counts[2 * index + 1]!++;
      }
    },
  });
});

/**
 * Adds the number of NaN elements of x to counts[2 index], and that of infinite ones to counts[2 index + 1].
 * @param x of a floating-point dtype, any shape
 * @param counts u32
 * @param index below counts.size / 2
 */
export function countNonFiniteInto(x: Tensor, counts: Tensor, index: number): void {
  const kernel = kernels[isHalf(x.dtype) ? x.dtype : "f32"];
  launch(kernel, { x, counts }, { size: x.size, block: BLOCK, index });
}
