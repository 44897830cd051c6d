// Every SIMD kernel, one family a file. Exported functions are called as src/tensor/cpuDevice.ts says:
// ([selector,] inputs..., outputs... as byte pointers, params..., constants..., begin, end [, scratch]).

export * from "./attention";
export * from "./attentionBackward";
export * from "./matmul";
export * from "./adamw";
export * from "./binary";
export * from "./crossEntropy";
export * from "./decodeAttention";
export * from "./dropout";
export * from "./gatedGelu";
export * from "./gatherRows";
export * from "./permute";
export * from "./rmsNorm";
export * from "./roundTo";
export * from "./softmax";
export * from "./unary";

/** First address that no static data uses. */
export const heapBase: usize = __heap_base;
