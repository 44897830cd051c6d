// Copies in 16 bits of what backward reads again, which take half the memory of f32.
//
// On a GPU a kernel writes copies of what it has at hand in its own pass, four elements at a time. Casts make them of rows that are
// not whole vectors, and where WebAssembly bodies run, which read and write f32 alone: there a pass of its own costs little.

import type { KernelDescription } from "../../tensor/device.ts";
import { isHalf, type HalfDtype } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WasmBody } from "../../tensor/wasm.ts";
import { castForward } from "./cast.ts";
import { codecs, storedFloats, type StoredFloat } from "../storedFloats.ts";

/** What `launch` runs. */
type AnyKernel = { readonly description: KernelDescription };

/** Whether a kernel can write copies of tensors like x itself, which is read in stretches of `length` elements. */
export function writesCopies(kernel: AnyKernel, { device }: Tensor, length: number): boolean {
  return length % 4 === 0 && device.hasBody(kernel.description);
}

/** What the names of kernels end in that read kept copies. */
export function suffixOfKept(kept: StoredFloat): string {
  return kept === "f32" ? "" : `Kept${storedFloats[kept].suffix}`;
}

/** The WebAssembly body of a kernel that may read kept copies: of one that does there is none: see `withReadable`. */
export function readingFloats(kept: StoredFloat, wasm: WasmBody): { readonly wasm?: WasmBody } {
  return kept === "f32" ? { wasm } : {};
}

/** Elements as `dtype` stores them, for plain bodies. */
export function narrowInto(y: Uint16Array, x: ArrayLike<number>, dtype: HalfDtype, at = 0): void {
  const { narrow } = codecs[dtype];
  for (let i = 0; i < x.length; i++) y[at + i] = narrow(x[i]!);
}

/** Calls `run` with tensors as `kernel` reads them, or, where the device has no body for it, with those of 16 bits widened. */
export function withReadable<K extends string, T>(
  kernel: AnyKernel,
  tensors: Readonly<Record<K, Tensor>>,
  run: (readable: Readonly<Record<K, Tensor>>) => T,
): T {
  const widened: Tensor[] = [];
  const readable: Record<K, Tensor> = { ...tensors };
  for (const name in tensors) {
    const x = tensors[name];
    if (x.device.hasBody(kernel.description)) return run(tensors);
    if (isHalf(x.dtype)) widened.push((readable[name] = castForward(x, "f32")));
  }
  try {
    return run(readable);
  } finally {
    for (const x of widened) x.dispose();
  }
}
