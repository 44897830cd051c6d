// Products whose tensors are larger than the adapter's bindings, as FLAN-T5-XL's output layer is: cut into smaller
// products, each with operands that fit.

import { dtypes } from "../../tensor/dtype.ts";
import type { BindingRange } from "../../tensor/wgsl.ts";
import type { MatmulCall, Product } from "./product.ts";
import { alignedElements, type StoredB } from "./storedB.ts";

export interface Piece {
  /** One matrix. */
  readonly product: Product;
  /** What is bound of a, b and c. */
  readonly ranges: Readonly<Record<string, BindingRange>>;
  /** The kernel's own params of the piece. */
  readonly params: Readonly<Record<string, number>>;
  readonly constants: Readonly<Record<string, number>>;
}

type Operand = "a" | "b" | "c";
type Sizes = Readonly<Record<"m" | "n" | "k", number>>;

/** The pieces of a product, in the order in which they run; null where everything fits. */
export function piecesOf(product: Product, call: MatmulCall): Piece[] | null {
  const { tensors, adapter } = call;
  const names: readonly Operand[] = ["a", "b", "c"];
  if (names.every((name) => tensors[name]!.bytes <= adapter.bindingBytes)) return null;
  const steps = stepsOf(product, adapter.bindingBytes);
  const pieces: Piece[] = [];
  for (let batch = 0; batch < product.batches; batch++) {
    for (let m = 0; m < product.m; m += steps.m)
      for (let n = 0; n < product.n; n += steps.n)
        // At least once: an inner size of 0 gives zeros.
        for (let k = 0; k === 0 || k < product.k; k += steps.k)
          pieces.push(pieceAt(product, call, batch, { m, n, k }, steps));
  }
  return pieces;
}

/**
 * Sizes of a piece. An operand is cut between its rows as stored: what is bound is one run of them, a little more
 * where it has to begin at an aligned byte.
 */
function stepsOf({ m, n, k, operands, places }: Product, bindingBytes: number): Sizes {
  const { transposeA, transposeB, b } = operands;
  const rows = (rowLength: number, stored: StoredB): number => {
    const { bytes } = dtypes[stored];
    const before = alignedElements(stored) * bytes;
    const most = Math.floor((bindingBytes - before) / (Math.max(rowLength, 1) * bytes));
    // Where not even four rows fit, the binding will be refused by name. Fours keep alignments.
    return Math.max(4, most - (most % 4));
  };
  const rowsA = rows(places.rowA, "f32");
  const rowsB = rows(places.rowB, b);
  return {
    m: Math.min(m, rows(places.rowC, "f32"), transposeA ? m : rowsA),
    n: transposeB ? Math.min(n, rowsB) : n,
    k: Math.max(1, Math.min(k, transposeA ? rowsA : k, transposeB ? k : rowsB)),
  };
}

function pieceAt(
  product: Product,
  { params, constants }: MatmulCall,
  batch: number,
  at: Sizes,
  steps: Sizes,
): Piece {
  const { transposeA, transposeB, b } = product.operands;
  const { rowA, rowB, rowC } = product.places;
  const m = Math.min(steps.m, product.m - at.m);
  const n = Math.min(steps.n, product.n - at.n);
  const k = Math.min(steps.k, product.k - at.k);
  const [offsetA, offsetB] = batchOffsets(params, batch);
  const a = transposeA
    ? run({ from: offsetA + at.k * rowA, inside: at.m, count: k * rowA }, "f32")
    : run({ from: offsetA + at.m * rowA, inside: at.k, count: m * rowA }, "f32");
  const right = transposeB
    ? run({ from: offsetB + at.n * rowB, inside: at.k, count: n * rowB }, b)
    : run({ from: offsetB + at.k * rowB, inside: at.n, count: k * rowB }, b);
  const offsetC = batch * product.m * rowC;
  const c = run({ from: offsetC + at.m * rowC, inside: at.n, count: m * rowC }, "f32");
  return {
    product: {
      ...{ m, n, k, batches: 1, operands: product.operands },
      places: { startA: a.start, startB: right.start, startC: c.start, rowA, rowB, rowC },
    },
    ranges: { a: a.range, b: right.range, c: c.range },
    params: { m, n, k, batch0: 1, batch1: 1, batch2: 1, batch3: 1 },
    // Further along k, what the pieces before have summed up is there.
    constants: { ACCUMULATE: at.k > 0 ? 1 : constants.ACCUMULATE },
  };
}

/** The range that binds `count` elements from `from` on, and where `inside` of them lies in it. */
function run(
  { from, inside, count }: Readonly<Record<"from" | "inside" | "count", number>>,
  stored: StoredB,
): { readonly range: BindingRange; readonly start: number } {
  const before = from % alignedElements(stored);
  return { range: { offset: from - before, size: count + before }, start: before + inside };
}

/** Where matrix `batch` of a and of b begins. */
function batchOffsets(params: Readonly<Record<string, number>>, batch: number): [number, number] {
  let [rest, a, b] = [batch, 0, 0];
  for (const axis of [3, 2, 1, 0]) {
    const index = rest % params[`batch${axis}`]!;
    rest = Math.floor(rest / params[`batch${axis}`]!);
    a += index * params[`a${axis}`]!;
    b += index * params[`b${axis}`]!;
  }
  return [a, b];
}
