/** How many numbers are NaN, and how many are infinite. */
export function countNonFinite(x: readonly number[]): { nan: number; infinite: number } {
  return {
    nan: x.filter((value) => value !== value).length,
    infinite: x.filter((value) => value === 1 / 0 || value === -1 / 0).length,
  };
}
