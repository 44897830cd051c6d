/** The mean of (a - b)^2. */
export function mseLoss(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! ** 2 - 2 * a[i]! * b[i]! + b[i]! ** 2;
  return sum / a.length;
}
