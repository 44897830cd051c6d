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
  if (!own(output, copy)) copy.dispose();
}

function own({ node }: Tensor, copy: Tensor): boolean {
  return node instanceof TapeNode && node.own(nameOf(copy.dtype as HalfDtype), copy);
}

function heldCopy({ node }: Tensor, dtype: HalfDtype): Tensor | null {
  return node instanceof TapeNode ? node.held(nameOf(dtype)) : null;
}

/** Gives an op's output the copy that its input has, where rounding to `dtype` makes one of the other. */
export function passOnCopy(x: Tensor, output: Tensor, dtype: HalfDtype): void {
  const copy = heldCopy(x, dtype);
  if (copy && output.node instanceof TapeNode) output.node.hold(nameOf(dtype), copy);
}

/**
 * What an op is to save of x: its copy in `dtype`, which is made where the tape holds none; x itself where `dtype` is null. The op
 * calls `releaseKept` when it is recorded.
 */
export function keptOf(x: Tensor, dtype: HalfDtype | null): Tensor {
  if (dtype === null) return x;
  const present = heldCopy(x, dtype);
  if (present) return present;
  const made = castForward(x, dtype);
  own(x, made);
  return made;
}

/** Frees what `keptOf` made of x and nobody holds. */
export function releaseKept(kept: Tensor, x: Tensor): void {
  if (kept !== x && heldCopy(x, kept.dtype as HalfDtype) !== kept) kept.dispose();
}

/** Has the tape hold a copy of x, which several layers will read: under autocast each of them rounds it for itself. */
export function keepCopy(x: Tensor, keepAs: HalfDtype | null): Tensor {
  releaseKept(keptOf(x, keptDtype(keepAs, [x])), x);
  return x;
}
