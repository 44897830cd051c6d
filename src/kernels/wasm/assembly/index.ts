// Every SIMD kernel, one family a file. Exported functions are called as src/tensor/cpuDevice.ts says:
// ([selector,] inputs..., outputs... as byte pointers, params..., constants..., begin, end [, scratch]).

export * from "./constants";
export * from "./attention/attention";
export * from "./attention/attentionBackward";
export * from "./matmul/matmul";
export {
  adafactorApply,
  adafactorColumnSums,
  adafactorRows,
  adafactorSquares,
} from "./optimizer/adafactor";
export * from "./optimizer/adamw";
export { accumulate, binary, binaryBroadcast, binaryScalar } from "./pointwise/binary";
export { argmax, topk } from "./rows/argmax";
export { countNonFinite } from "./rows/countNonFinite";
export * from "./rows/crossEntropy";
export * from "./attention/decodeAttention";
export * from "./attention/headCache";
export * from "./pointwise/dropout";
export * from "./pointwise/gatedGelu";
export { gatherRows, scatterAddRows } from "./moves/gatherRows";
export * from "./moves/permute";
export { gatherRowsQ8, widenQ8 } from "./q8/blocks";
export { matmulQ8 } from "./q8/matmulQ8";
export * from "./rows/layerNorm";
export * from "./rows/rmsNorm";
export * from "./pointwise/roundTo";
export * from "./rows/softmax";
export { unaryBackward, unaryForward } from "./pointwise/unary";

/** First address that no static data uses. */
export const heapBase: usize = __heap_base;
