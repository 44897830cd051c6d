/** First argument of WebAssembly functions that read or write elements of several types: F32, BF16, F16 of assembly/elements.ts. */
export const selectors = { f32: 0, bf16: 1, f16: 2 } as const;
