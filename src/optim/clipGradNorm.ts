// Clipping by the global norm (torch.nn.utils.clip_grad_norm_).

import { gradientNormForward } from "../kernels/optimizer/gradientNorm.ts";
import { ArgumentError, DtypeError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/** What `clipGradNorm` gives; both tensors live on the gradients' device. */
export interface Clipped {
  /** [1], of all gradients together, before clipping. */
  readonly norm: Tensor;
  /** [1], what to multiply the gradients by. */
  readonly scale: Tensor;
}

/**
 * The 2-norm of all gradients taken as one vector, and the factor that brings it down to `maxNorm`:
 * norm = u sqrt(sum g^2), scale = u min(1, maxNorm / (norm + 1e-6)), u being `unscale`. Unlike torch's
 * clip_grad_norm_ it leaves the gradients as they are: pass `scale` to `AdamW.step`. Both stay on the device.
 * @param gradients at least one, all f32 or all f64; the Map of `backward`, or tensors
 * @param maxNorm > 0; Infinity only measures
 * @param unscale 1 / factor that the loss was multiplied by, default 1
 * @throws {ArgumentError} without gradients, or for a maxNorm that is not above 0
 * @throws {DtypeError} for gradients of two dtypes
 */
export function clipGradNorm(
  gradients: ReadonlyMap<Tensor, Tensor> | readonly Tensor[],
  maxNorm: number,
  unscale = 1,
): Clipped {
  const isMany = Array.isArray(gradients) || gradients instanceof Map;
  const cure = "Pass those of gradients, or use gradients.clip(maxNorm).";
  requireThat(isMany, "clipGradNorm", "gradients must be an array or a Map", gradients, cure);
  const tensors = [...gradients.values()];
  const [first] = tensors;
  if (first === undefined) {
    throw new ArgumentError("clipGradNorm: needs at least one gradient, got none");
  }
  if (!(maxNorm > 0)) throw new ArgumentError(`clipGradNorm: maxNorm must be > 0, got ${maxNorm}`);
  const other = tensors.find(({ dtype }) => dtype !== first.dtype);
  if (other !== undefined) {
    throw new DtypeError(
      `clipGradNorm: gradients must be of one dtype, got ${first.dtype} and ${other.dtype}`,
    );
  }
  return gradientNormForward(tensors, maxNorm, unscale);
}
