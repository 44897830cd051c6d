// Where the tape and backward show the values that they make, while detectAnomaly runs. Otherwise `valueChecks` is null, and
// an op pays for one comparison.

import type { Tensor } from "../tensor/tensor.ts";

/** An op that was recorded, as a check names it. */
export interface CheckedNode {
  /** Public name of the op. */
  readonly name: string;
  /** What `output` returned for it. */
  readonly calledAt: string | null;
}

/**
 * Gradients that no rule made: the seed of a backward, what `into` holds before, and the sum of the gradients of one tensor.
 */
export type GradientKind = "seed" | "into" | "sum";

export interface ValueChecks {
  /** Sees what an op read and made. @returns the stack of its call */
  output(op: string, inputs: readonly (Tensor | null)[], output: Tensor): string;
  /** Sees what the rule of an op was given and made: gradients of its inputs, null where none is wanted. */
  gradients(node: CheckedNode, dy: Tensor, gradients: readonly (Tensor | null)[]): void;
  /** Sees another gradient. @param node whose output it belongs to; null for a leaf */
  gradient(kind: GradientKind, node: CheckedNode | null, gradient: Tensor): void;
}

/** What checks values at this moment, if anything does. */
export let valueChecks: ValueChecks | null = null;

export function setValueChecks(checks: ValueChecks | null): void {
  valueChecks = checks;
}
