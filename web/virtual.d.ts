declare module "virtual:peak-loops" {
  /** Sums of each loop. */
  export const SUMS: readonly number[];
  /** WebAssembly modules in base64. */
  export const MODULES: { readonly relaxed: string; readonly simd: string };
  /** The same in WGSL, the body of a kernel: params size, rounds and factor, output y [size]. */
  export const WGSL: { readonly sums: number; readonly source: string };
}
