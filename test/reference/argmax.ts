/** Places of a row's k largest entries, by sorting all of it: NaN first, then downwards, ties by place. */
export function topk(row: readonly number[], k: number): number[] {
  const rank = (x: number): number => (Number.isNaN(x) ? 0 : 1);
  const order = row.map((_, i) => i);
  order.sort((i, j) => {
    const [a, b] = [row[i]!, row[j]!];
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (rank(a) === 0 || a === b) return i - j;
    return a > b ? -1 : 1;
  });
  return order.slice(0, k);
}
