/**
 * AdamW of one number in f64, as PyTorch's documentation of torch.optim.AdamW writes it.
 * @param gradients of every step, from the first on
 * @param rates learning rate of every step
 * @returns the parameter after the last one
 */
export function adamw(
  start: number,
  gradients: readonly number[],
  rates: readonly number[],
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 } = {},
): number {
  let p = start;
  let m = 0;
  let v = 0;
  gradients.forEach((g, i) => {
    const t = i + 1;
    p -= rates[i]! * weightDecay * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g ** 2;
    const mHat = m / (1 - beta1 ** t);
    const vHat = v / (1 - beta2 ** t);
    p -= (rates[i]! * mHat) / (Math.sqrt(vHat) + eps);
  });
  return p;
}
