import { indicesOf, placeOf } from "./indices.ts";
import type { Values } from "./pointwise.ts";

/** The tensor of `shape` whose element at each index is `at(index)`. */
function build(shape: readonly number[], at: (index: number[]) => number): Values {
  return { shape, values: [...indicesOf(shape)].map(at) };
}

const read = (x: Values, index: readonly number[]): number => x.values[placeOf(index, x.shape)]!;

const replaced = (list: readonly number[], at: number, value: number): number[] =>
  list.map((old, i) => (i === at ? value : old));

/** y[i_axes[0], i_axes[1], ...] = x[i_0, i_1, ...] */
export function permute(x: Values, axes: readonly number[]): Values {
  return build(
    axes.map((axis) => x.shape[axis]!),
    (index) =>
      read(
        x,
        x.shape.map((_, axis) => index[axes.indexOf(axis)]!),
      ),
  );
}

export function slice(x: Values, axis: number, begin: number, end: number): Values {
  return build(replaced(x.shape, axis, end - begin), (index) =>
    read(x, replaced(index, axis, index[axis]! + begin)),
  );
}

export function concat(list: readonly Values[], axis: number): Values {
  // For each step along the axis: which tensor, and which step of it.
  const steps = list.flatMap((x) =>
    Array.from({ length: x.shape[axis]! }, (_, i) => [x, i] as const),
  );
  return build(replaced(list[0]!.shape, axis, steps.length), (index) => {
    const [x, step] = steps[index[axis]!]!;
    return read(x, replaced(index, axis, step));
  });
}

export function broadcastTo(x: Values, shape: readonly number[]): Values {
  return build(shape, (index) => read(x, index));
}
