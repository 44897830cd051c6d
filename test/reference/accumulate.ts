/** y + x, element by element. */
export function accumulate(y: readonly number[], x: readonly number[]): number[] {
  return y.map((value, i) => value + x[i]!);
}
