// Copies in 16 bits that backward reads in place of f32 tensors. The op that made a tensor holds the copy on the tape, where every
// op that would save the tensor finds it: three layers that read one x keep one copy.

import { castForward } from "../kernels/pointwise/cast.ts";
import type { HalfDtype } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { isGradEnabled, TapeNode } from "./tape.ts";

/** How an op keeps activations for backward. */
export interface KeepOptions {
  /**
   * Keeps f32 activations in 16 bits for backward: half the memory; gradients are of what is kept, rounded. The result is the same
   * f32. Default: as they are.
   */
  readonly keepAs?: HalfDtype | null;
}

/** `keepAs`, where an op is recorded that is to keep f32 `inputs` so; else null, and it keeps them as they are. */
export function keptDtype(
  keepAs: HalfDtype | null | undefined,
  inputs: readonly (Tensor | null)[],
): HalfDtype | null {
  if (!keepAs || !isGradEnabled() || inputs[0]!.dtype !== "f32") return null;
  return inputs.some((x) => x?.requiresGrad) ? keepAs : null;
}

/** By which name a tape node holds a copy of its output. */
const nameOf = (dtype: HalfDtype): string =>
  dtype === "bf16" ? "output in bf16" : "output in f16";

/** Hands the tape a copy of an op's recorded output, which it frees. */
export function holdCopy(output: Tensor, copy: Tensor): void {
  if (output.node instanceof TapeNode) output.node.own(nameOf(copy.dtype as HalfDtype), copy);
  else copy.dispose();
}

/** Has the tape hold a copy of x, which several layers will read: under autocast each of them rounds it for itself. */
export function keepCopy(x: Tensor, keepAs: HalfDtype | null): Tensor {
  return withKept(x, keptDtype(keepAs, [x]), () => x);
}

/** Gives an op's output the copy that its input has, where rounding to `dtype` makes one of the other. */
export function passOnCopy(x: Tensor, output: Tensor, dtype: HalfDtype): void {
  const copy = x.node instanceof TapeNode ? x.node.held(nameOf(dtype)) : null;
  if (copy && output.node instanceof TapeNode) output.node.hold(nameOf(dtype), copy);
}

/**
 * Calls `save` with what an op is to save of x: its copy in `dtype`, which is made where the tape holds none; x itself where
 * `dtype` is null.
 */
export function withKept<T>(x: Tensor, dtype: HalfDtype | null, save: (kept: Tensor) => T): T {
  if (dtype === null) return save(x);
  const node = x.node instanceof TapeNode ? x.node : null;
  const present = node?.held(nameOf(dtype));
  if (present) return save(present);
  const made = castForward(x, dtype);
  node?.hold(nameOf(dtype), made);
  try {
    return save(made);
  } finally {
    made.dispose();
  }
}
