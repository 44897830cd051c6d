/** torch.nn.utils.clip_grad_norm_: the norm of the norms of all gradients, and what clips them to maxNorm. */
export function gradientNorm(
  gradients: readonly (readonly number[])[],
  maxNorm: number,
): { norm: number; scale: number } {
  const norms = gradients.map((gradient) => Math.hypot(...gradient));
  const norm = Math.hypot(...norms);
  return { norm, scale: Math.min(1, maxNorm / (norm + 1e-6)) };
}
