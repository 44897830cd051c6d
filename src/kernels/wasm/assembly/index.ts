// Every SIMD kernel, one family a file. Exported functions are called as src/tensor/cpuDevice.ts says:
// (inputs..., outputs... as byte pointers, params..., constants..., begin, end [, scratch]).

export * from "./accumulate";
export * from "./matmul";
export * from "./rmsNorm";

/** First address that no static data uses. */
export const heapBase: usize = __heap_base;
