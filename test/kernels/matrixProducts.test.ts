// Products on matrix units that take f16 against f64, within the bound of docs/internals/webgpu.md. Where the adapter has no
// such units (SwiftShader has none, lavapipe has: `npm run test:lavapipe`), the tests say so.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { piecesOfOperands, termsOf, type Pieces } from "../../src/kernels/matmul/halfPieces.ts";
import { matmulForwardInto } from "../../src/kernels/matmul/matmul.ts";
import { matrixShape } from "../../src/kernels/matmul/matrixTiles.ts";
import { MORE_RUNS } from "../support/full.ts";
import { Scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { gpu } from "../support/gpu.ts";
import { seed, uniform } from "../support/random.ts";

/** 10,000 in test:full. */
const PRODUCTS = 500 * MORE_RUNS;

const shape = matrixShape(gpu.adapter, true);
const hasUnits = shape?.componentType === "f16";
const title = (text: string): string =>
  hasUnits ? text : `${text}: skipped, ${gpu.adapter.name} has no f16 matrix units`;

/** What elements are: of one size, of all sizes, with T5's activations of 1e5 among small ones, near the ends of f32. */
const KINDS = ["even", "wide", "large", "tiny", "huge", "denormal", "zeroRows"] as const;
type Kind = (typeof KINDS)[number];

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: 1 | 2;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
  readonly b: "f32" | "bf16" | "f16";
  readonly roundToF16: boolean;
  readonly kindA: Kind;
  readonly kindB: Kind;
  readonly seed: number;
}

const product: fc.Arbitrary<Product> = fc.record({
  m: fc.constantFrom(32, 33, 40, 47, 64, 71),
  n: fc.constantFrom(32, 36, 37, 64, 90),
  k: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(32, 33, 44, 64, 71, 96) },
    { weight: 1, arbitrary: fc.constantFrom(520, 1027) },
  ),
  batch: fc.constantFrom(1, 1, 2),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  accumulate: fc.boolean(),
  b: fc.constantFrom("f32", "bf16", "f16"),
  roundToF16: fc.boolean(),
  kindA: fc.constantFrom(...KINDS),
  kindB: fc.constantFrom(...KINDS),
  seed,
});

/** Element `i` of an operand with rows of `length` along k. */
function element(kind: Kind, next: () => number, row: number): number {
  const x = 2 * next() - 1;
  switch (kind) {
    case "even":
      return x;
    case "wide":
      return x * 2 ** Math.floor(-30 * next());
    case "large":
      return next() < 0.02 ? 1e5 * x : 1e-2 * x;
    case "tiny":
      return x * 2 ** -110;
    case "huge":
      return x * 2 ** 60;
    case "denormal":
      return next() < 0.5 ? x * 2 ** -130 : x * 2 ** -124;
    case "zeroRows":
      return row % 3 === 0 ? 0 : x;
  }
}

interface Operand {
  /** As op(x) has them, [rows][k]. */
  readonly rows: Float64Array[];
  readonly stored: number[];
}

const round16 = { f32: Math.fround, bf16: toBf16, f16: toF16 } as const;

function toBf16(x: number): number {
  const words = new Uint32Array(Float32Array.of(x).buffer);
  return new Float32Array(Uint32Array.of(words[0]! & 0xffff0000).buffer)[0]!;
}

function toF16(x: number): number {
  if (Math.abs(x) > 65504) return Math.sign(x) * 65504;
  const unit = 2 ** Math.max(Math.floor(Math.log2(Math.abs(x))) - 10, -24);
  return x === 0 ? 0 : Math.round(x / unit) * unit;
}

function operand(
  p: Product,
  { rows, along, kind, which }: { rows: number; along: boolean; kind: Kind; which: number },
  round: (x: number) => number,
): Operand {
  const next = uniform(p.seed + which);
  const values = Array.from({ length: p.batch * rows }, (_, row) =>
    Float64Array.from({ length: p.k }, () => round(Math.fround(element(kind, next, row)))),
  );
  const stored: number[] = [];
  for (let batch = 0; batch < p.batch; batch++) {
    const matrix = values.slice(batch * rows, (batch + 1) * rows);
    if (along) stored.push(...matrix.flatMap((row) => [...row]));
    else for (let d = 0; d < p.k; d++) stored.push(...matrix.map((row) => row[d]!));
  }
  return { rows: values, stored };
}

const piecesOf = (p: Product): Pieces => piecesOfOperands(p, p.roundToF16, shape!);

/** Greatest relative change of an operand: f16 rounds to 11 bits, two of them to 22. What f16 holds does not change. */
function roundings(p: Product): number {
  const pieces = piecesOf(p);
  const of = (count: number, exact: boolean): number =>
    exact ? 0 : count === 1 ? 2 ** -11 : 2 ** -22;
  return of(pieces.a, false) + of(pieces.b, p.b !== "f32") + (termsOf(pieces) === 3 ? 2 ** -22 : 0);
}

/** Largest magnitude of each row; of the whole matrix, where one power of two is that of a tile. */
function largestOf(p: Product, { rows }: Operand): number[] {
  const most = rows.map(greatest);
  return piecesOf(p).scaling === "rows" ? most : most.map(() => Math.max(...most));
}

const greatest = (row: Float64Array): number =>
  row.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

async function check(p: Product): Promise<void> {
  const a = operand(p, { rows: p.m, along: !p.transposeA, kind: p.kindA, which: 1 }, round16.f32);
  const b = operand(p, { rows: p.n, along: p.transposeB, kind: p.kindB, which: 2 }, round16[p.b]);
  const next = uniform(p.seed + 3);
  const c = Float32Array.from({ length: p.batch * p.m * p.n }, () => next() - 0.5);
  const memory = new Scope();
  try {
    const out = memory.run(() => {
      const left = tensor(a.stored, [p.batch, ...(p.transposeA ? [p.k, p.m] : [p.m, p.k])], {
        device: gpu,
      });
      const shapeB = [p.batch, ...(p.transposeB ? [p.n, p.k] : [p.k, p.n])];
      const right = tensor(b.stored, shapeB, { device: gpu, dtype: p.b });
      const result = tensor(c, [p.batch, p.m, p.n], { device: gpu });
      matmulForwardInto(left, right, result, p);
      return result;
    });
    compare(p, a, b, { before: c, after: (await out.data()) as Float32Array });
  } finally {
    memory.dispose();
  }
}

function compare(
  p: Product,
  a: Operand,
  b: Operand,
  { before, after }: { before: Float32Array; after: Float32Array },
): void {
  const relative = roundings(p) + (p.k + 2) * 2 ** -23;
  const [mostA, mostB] = [largestOf(p, a), largestOf(p, b)];
  for (let i = 0; i < p.batch * p.m; i++) {
    const batch = Math.floor(i / p.m);
    for (let j = 0; j < p.n; j++) {
      const [left, right] = [a.rows[i]!, b.rows[batch * p.n + j]!];
      let [sum, magnitude] = [0, 0];
      for (let d = 0; d < p.k; d++) {
        sum += left[d]! * right[d]!;
        magnitude += Math.abs(left[d]! * right[d]!);
      }
      const at = i * p.n + j;
      if (p.accumulate) sum += before[at]!;
      const most = mostA[i]! * mostB[batch * p.n + j]!;
      // Below f16's smallest number times the scale elements are lost; f32 itself may flush below 2^-126.
      const lost =
        p.k * 2 ** -37 * most + p.k * 2 ** -126 * (mostA[i]! + mostB[batch * p.n + j]! + 1);
      const allowed = relative * magnitude + lost + (p.accumulate ? 2 ** -23 * Math.abs(sum) : 0);
      if (Math.abs(sum) + magnitude > 3e38) continue;
      // Not toBeLessThan: thousands of those take seconds. NaN must not pass.
      if (!(Math.abs(after[at]! - sum) <= allowed))
        expect.fail(
          `[${i}, ${j}]: ${after[at]} for ${sum}, ${allowed} allowed, of ${JSON.stringify(p)}`,
        );
    }
  }
}

describe.runIf(hasUnits)(title("products on f16 units"), () => {
  it(`are within the bound of f64, ${PRODUCTS} of them`, { timeout: 3_600_000 }, () =>
    fc.assert(fc.asyncProperty(product, check), { numRuns: PRODUCTS, seed: 20261129 }),
  );

  it.each([false, true])(
    "give what is not finite where an operand is not, and leave the other rows alone (roundToF16 %s)",
    async (roundToF16) => {
      const [m, n, k] = [40, 36, 64];
      const next = uniform(7);
      const [a, b] = [m * k, n * k].map((size) => Array.from({ length: size }, () => next() + 0.5));
      a![3 * k + 5] = Infinity;
      a![7 * k + 9] = NaN;
      b![11 * k + 13] = -Infinity;
      const memory = new Scope();
      try {
        const out = memory.run(() => {
          const result = tensor(new Float32Array(m * n), [m, n], { device: gpu });
          const [left, right] = [
            tensor(a!, [m, k], { device: gpu }),
            tensor(b!, [n, k], { device: gpu }),
          ];
          matmulForwardInto(left, right, result, { transposeB: true, roundToF16 });
          return result;
        });
        const c = (await out.data()) as Float32Array;
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            const reached = i === 3 || i === 7 || j === 11;
            expect(Number.isFinite(c[i * n + j]!), `[${i}, ${j}]`).toBe(!reached);
          }
        }
        expect(c[3 * n]).toBe(Infinity);
        expect(c[7 * n]).toBeNaN();
        expect(c[11]).toBe(-Infinity);
      } finally {
        memory.dispose();
      }
    },
  );
});
