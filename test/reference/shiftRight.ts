/** Rows moved right behind a start token, ignored labels replaced by pad (transformers' _shift_right). */
export function shiftRight(
  rows: readonly (readonly number[])[],
  { start, ignored, pad }: { start: number; ignored: number; pad: number },
): number[][] {
  return rows.map((row) => [start, ...row.slice(0, -1)].map((id) => (id === ignored ? pad : id)));
}
