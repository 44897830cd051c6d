import { indicesOf, placeOf } from "./indices.ts";

export interface Values {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function simpson(f: (t: number) => number, end: number): number {
  const panels = 2000;
  const width = end / panels;
  let sum = f(0) + f(end);
  for (let i = 1; i < panels; i++) sum += f(i * width) * (i % 2 === 0 ? 2 : 4);
  return (sum * width) / 3;
}

/** Unary functions of one number. */
export const unary = {
  neg: (x: number) => 0 - x,
  exp: (x: number) => Math.E ** x,
  log: (x: number) => Math.log2(x) * Math.LN2,
  sqrt: (x: number) => x ** 0.5,
  tanh: (x: number) => (x < 0 ? -1 : 1) * (1 - 2 / (Math.exp(2 * Math.abs(x)) + 1)),
  relu: (x: number) => (x > 0 ? x : 0),
  // 1 + tanh(u) = 2 sigmoid(2u)
  gelu: (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
  // The integral of the normal density from 0, by Simpson's rule.
  geluErf: (x: number) =>
    x * (0.5 + simpson((t) => Math.exp(-t * t * 0.5), x) / Math.sqrt(2 * Math.PI)),
  sigmoid,
  silu: (x: number) => x * sigmoid(x),
} as const;

const operators = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
} as const;

/** a op b, shapes aligned at their last axes and axes of 1 repeated (NumPy's rule). */
export function binary(name: keyof typeof operators, a: Values, b: Values): Values {
  const rank = Math.max(a.shape.length, b.shape.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const dims = [a, b].map((x) => x.shape[x.shape.length - rank + i] ?? 1);
    return dims[0] === 1 ? dims[1]! : dims[0]!;
  });
  const values = [...indicesOf(shape)].map((index) =>
    operators[name](a.values[placeOf(index, a.shape)]!, b.values[placeOf(index, b.shape)]!),
  );
  return { shape, values };
}
