declare module "virtual:peak-loops" {
  /** Sums of each loop. */
  export const SUMS: readonly number[];
  /** WebAssembly modules in base64. */
  export const MODULES: { readonly relaxed: string; readonly simd: string };
}
