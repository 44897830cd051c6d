import { sizeOf } from "../../src/tensor/shape.ts";

/** Of transformers' Adafactor, with its defaults where the paper has one. */
export interface AdafactorReference {
  readonly rate: number;
  readonly beta2: number;
  readonly beta1?: number | null;
  readonly eps?: number;
  readonly clipThreshold?: number;
  readonly weightDecay?: number;
  readonly leastScale?: number | null;
}

/** A parameter and its moments; `row` of a vector is its whole second moment. */
export interface AdafactorState {
  readonly p: number[];
  readonly row: number[];
  readonly col: number[] | null;
  readonly m: number[] | null;
}

/** One Adafactor update of a parameter in f64, as transformers' optimization.py writes it; changes `state`. */
export function adafactor(
  state: AdafactorState,
  shape: readonly number[],
  gradient: readonly number[],
  settings: AdafactorReference,
): void {
  const { rate, beta2, beta1 = null, eps = 1e-30, clipThreshold = 1 } = settings;
  const { weightDecay = 0, leastScale = null } = settings;
  const { p, row, col, m } = state;
  const size = sizeOf(shape);
  const cols = col === null ? 1 : shape.at(-1)!;
  const rows = col === null ? size : shape.at(-2)!;
  const rootMean = (x: readonly number[]): number =>
    Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / x.length);
  const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
  const squares = gradient.map((g) => g ** 2 + eps);
  const lr = rate * (leastScale === null ? 1 : Math.max(leastScale, rootMean(p)));
  const u = new Array<number>(size);
  for (let b = 0; b < size / rows / cols; b++) {
    const at = (r: number, c: number): number => (b * rows + r) * cols + c;
    const all = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
    for (const r of all(rows)) {
      const of = mean(all(cols).map((c) => squares[at(r, c)]!));
      row[b * rows + r] = beta2 * row[b * rows + r]! + (1 - beta2) * of;
    }
    for (const c of col === null ? [] : all(cols)) {
      const of = mean(all(rows).map((r) => squares[at(r, c)]!));
      col![b * cols + c] = beta2 * col![b * cols + c]! + (1 - beta2) * of;
    }
    const middle = mean(all(rows).map((r) => row[b * rows + r]!));
    for (const r of all(rows)) {
      for (const c of all(cols)) {
        const v = col === null ? row[r]! : (row[b * rows + r]! / middle) * col[b * cols + c]!;
        u[at(r, c)] = gradient[at(r, c)]! / Math.sqrt(v);
      }
    }
  }
  const factor = lr / Math.max(1, rootMean(u) / clipThreshold);
  for (let i = 0; i < size; i++) {
    let step = u[i]! * factor;
    if (m !== null) step = m[i] = beta1! * m[i]! + (1 - beta1!) * step;
    p[i] = p[i]! - weightDecay * lr * p[i]! - step;
  }
}
