// Gradient checkpointing: activations of a piece of the forward pass are not kept but computed again when
// its gradient is due (Chen et al. 2016, arXiv 1604.06174; torch.utils.checkpoint).

import { AutogradError } from "../tensor/errors.ts";
import { repeatDraws, watchDraws } from "../tensor/philox.ts";
import { scope } from "../tensor/scope.ts";
import { formatShape } from "../tensor/shape.ts";
import { alias, type Tensor } from "../tensor/tensor.ts";
import { backwardOnto } from "./backward.ts";
import { enableGrad, isGradEnabled, record, watchInputs } from "./tape.ts";
import { requireThat } from "../tensor/requireTensors.ts";

/**
 * fn(...inputs), of which only the inputs are kept for `backward`: it runs `fn` again. Gradients are those
 * of fn(...inputs), also of leaves (weights) that `fn` reads besides its inputs, and dropout draws its
 * masks again from the same positions of its generators.
 * @param fn pure, but for random numbers. All it reads must be inputs, or leaves that live until
 *   `backward`; anything else is freed or a part of another graph by then
 * @param inputs tensors of any dtype; undefined is passed on
 * @returns fn's result, any shape
 * @throws {AutogradError} when `fn` reads a result of a recorded op that is not among its inputs
 */
export function checkpoint<I extends readonly (Tensor | undefined)[]>(
  fn: (...inputs: I) => Tensor,
  inputs: readonly [...I],
): Tensor {
  const [isFunction, isArray] = [typeof fn === "function", Array.isArray(inputs)];
  const cure = "Call checkpoint(fn, [x, ...]).";
  requireThat(isFunction, "checkpoint", "fn must be a function of the inputs", fn, cure);
  requireThat(isArray, "checkpoint", "inputs must be an array of tensors", inputs, cure);
  const given = inputs as I;
  if (!isGradEnabled()) return fn(...given);
  const read = new Set<Tensor>();
  const see = (operands: readonly (Tensor | null)[]): void => {
    for (const x of operands) {
      if (x === null || !x.requiresGrad) continue;
      if (x.node !== null && !inputs.includes(x)) throw captured(x);
      if (x.node === null) read.add(x);
    }
  };
  const { result: output, positions } = watchDraws(() =>
    scope(() => alias(watchInputs(() => fn(...given), see))),
  );
  return record({
    name: "checkpoint",
    inputs: inputs.map((x) => x ?? null),
    output,
    saved: Object.fromEntries(inputs.map((x, i) => [i, x ?? null])),
    leaves: read,
    backward(dy, saved, { needs, deliver, onto }) {
      const leaves = inputs.map((_, i) => leafOf(saved[i] ?? null, needs[i] ?? false));
      const again = repeatDraws(positions, () => enableGrad(() => fn(...(leaves as unknown as I))));
      if (!again.requiresGrad) return leaves.map(() => null);
      // Adding in the order of the whole graph, to the same tensors, makes the sums the same.
      const gradients = backwardOnto(
        (leaf) => onto(leaves.includes(leaf) ? leaves.indexOf(leaf) : leaf),
        again,
        undefined,
        dy,
      );
      for (const [leaf, gradient] of gradients) {
        if (!leaves.includes(leaf)) deliver(leaf, gradient);
      }
      return leaves.map((leaf) => (leaf && gradients.get(leaf)) ?? null);
    },
  });
}

/** A leaf on the same elements, where the recomputed graph ends. */
function leafOf(x: Tensor | null, needsGradient: boolean): Tensor | undefined {
  if (x === null) return undefined;
  const leaf = alias(x);
  leaf.requiresGrad = needsGradient;
  return leaf;
}

function captured(x: Tensor): AutogradError {
  return new AutogradError(
    "checkpoint: fn may read only its inputs and leaves, " +
      `got ${formatShape(x.shape)}, the result of another op. Pass it as an input.`,
  );
}
