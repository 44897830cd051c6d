/** The smaller of two sizes. */
// @ts-ignore: decorator
@inline
export function least(a: usize, b: usize): usize {
  return a < b ? a : b;
}
