// q8 blocks in WGSL (src/tensor/q8.ts): where an element lies among the words, and what a word holds.

import { Q8_BLOCK, Q8_WORDS } from "../../tensor/q8.ts";
import type { WgslSnippet } from "../../tensor/wgsl.ts";

/** `at` is an element's index; unpackQ8 gives the four elements of its word. */
export const q8Snippet: WgslSnippet = {
  source: /* wgsl */ `
fn q8ScaleAt(at: u32) -> u32 { return at / ${Q8_BLOCK}u * ${Q8_WORDS}u; }
fn q8WordAt(at: u32) -> u32 { return at / ${Q8_BLOCK}u * ${Q8_WORDS}u + 1u + at % ${Q8_BLOCK}u / 4u; }
fn unpackQ8(word: u32, scale: u32) -> vec4<f32> {
  let bits = bitcast<i32>(word);
  let numbers = vec4<i32>(
    extractBits(bits, 0u, 8u), extractBits(bits, 8u, 8u), extractBits(bits, 16u, 8u), extractBits(bits, 24u, 8u));
  return vec4<f32>(numbers) * bitcast<f32>(scale);
}`,
};
