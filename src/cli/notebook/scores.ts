// The notebook's ROUGE cells.

import { rouge } from "../../eval/rouge.ts";

export type RougeColumn = Readonly<Record<"rouge1" | "rouge2" | "rougeL" | "rougeLsum", number>>;

/** F measures as `evaluate` reports them: mid of the bootstrap, stemmer on, seed 42. */
export function scoreSummaries(
  predictions: readonly string[],
  references: readonly string[],
): RougeColumn {
  return rouge(predictions, references, { useAggregator: true, useStemmer: true });
}

/** `rouge1: 18.82%` for every type: the difference in points. */
export function improvementLines(original: RougeColumn, instruct: RougeColumn): string[] {
  const types = Object.keys(original) as (keyof RougeColumn)[];
  return types.map((type) => `${type}: ${(100 * (instruct[type] - original[type])).toFixed(2)}%`);
}
