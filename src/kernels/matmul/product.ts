// What a call of the matmul family multiplies, and where its operands lie.

import type { WgslCall } from "../../tensor/wgsl.ts";
import type { Operands } from "./operands.ts";
import type { StoredB } from "./storedB.ts";

export type MatmulCall = WgslCall<
  Readonly<Record<string, number>>,
  Readonly<Record<"TRANSPOSE_A" | "TRANSPOSE_B" | "ACCUMULATE", number>>
>;

/** Where the operands begin in what is bound, and the lengths of their rows as stored; in elements. */
export type Places = Readonly<
  Record<"startA" | "startB" | "startC" | "rowA" | "rowB" | "rowC", number>
>;

/** Declares the params in which shaders get the places. */
export const placeParams: Readonly<Record<keyof Places, "u32">> = {
  startA: "u32",
  startB: "u32",
  startC: "u32",
  rowA: "u32",
  rowB: "u32",
  rowC: "u32",
};

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  readonly operands: Operands;
  readonly places: Places;
}

export function productOf({ params, constants }: MatmulCall, b: StoredB): Product {
  const { m = 0, n = 0, k = 0 } = params;
  const transposeA = constants.TRANSPOSE_A !== 0;
  const transposeB = constants.TRANSPOSE_B !== 0;
  const [rowA, rowB, rowC] = [transposeA ? m : k, transposeB ? k : n, n];
  const aligned = rowA % 4 === 0 && rowB % 4 === 0 && (transposeB || rowC % 4 === 0);
  return {
    ...{ m, n, k },
    batches: params["batch0"]! * params["batch1"]! * params["batch2"]! * params["batch3"]!,
    operands: { transposeA, transposeB, b, aligned },
    places: { startA: 0, startB: 0, startC: 0, rowA, rowB, rowC },
  };
}
