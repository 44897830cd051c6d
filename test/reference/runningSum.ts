/**
 * Sum of weighted losses as transformers' Trainer keeps it with logging_nan_inf_filter: a product that is not finite
 * counts as the mean of the steps so far. `steps` of 0 switches the filter off.
 */
export function runningSum(total: number, x: number, weight: number, steps: number): number {
  const product = x * weight;
  if (steps > 0 && (Number.isNaN(product) || Math.abs(product) === Infinity)) {
    return total + total / steps;
  }
  return total + product;
}
