/** Every multi-index of `shape`, row-major. */
export function* indicesOf(shape: readonly number[]): Generator<number[]> {
  const [dim, ...rest] = shape;
  if (dim === undefined) yield [];
  else for (let i = 0; i < dim; i++) for (const index of indicesOf(rest)) yield [i, ...index];
}

/** Place of a multi-index in row-major order, the last axis first; axes of 1 ignore their index. */
export function placeOf(index: readonly number[], shape: readonly number[]): number {
  let place = 0;
  let step = 1;
  for (let back = 1; back <= shape.length; back++) {
    const dim = shape.at(-back)!;
    place += dim === 1 ? 0 : index.at(-back)! * step;
    step *= dim;
  }
  return place;
}
