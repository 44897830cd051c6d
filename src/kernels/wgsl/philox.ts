// Philox 4x32-10, word for word that of src/tensor/philox.ts.

import type { WgslSnippet } from "../../tensor/wgsl.ts";

/** philoxBlock gives words 4 at .. 4 at + 3 of a stream; philoxWord one of them. */
export const philox: WgslSnippet = {
  source: /* wgsl */ `
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let carry = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (carry >> 16u);
}
fn philoxBlock(at: u32, offset: u32, seedLow: u32, seedHigh: u32) -> vec4<u32> {
  var c = vec4<u32>(at, offset, 0u, 0u);
  var k = vec2<u32>(seedLow, seedHigh);
  for (var round = 0u; round < 10u; round++) {
    let high0 = multiplyHigh(0xd2511f53u, c.x);
    let high1 = multiplyHigh(0xcd9e8d57u, c.z);
    c = vec4<u32>(high1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
fn philoxWord(i: u32, offset: u32, seedLow: u32, seedHigh: u32) -> u32 {
  return philoxBlock(i >> 2u, offset, seedLow, seedHigh)[i & 3u];
}`,
};
