// The parameters that an optimizer is given, checked.

import { ArgumentError, AutogradError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The parameters to train, by name.
 * @param owner of the constructor that was given them, for messages
 * @throws {ArgumentError | AutogradError} as the constructors of optimizers say
 */
export function checkedParameters(
  owner: string,
  parameters: readonly Tensor[] | ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const checked = new Map<string, Tensor>();
  const seen = new Set<Tensor>();
  for (const [key, p] of parameters.entries()) {
    const name = String(key);
    if (!p.requiresGrad) continue;
    if (p.node !== null) {
      throw new AutogradError(
        `${owner}: parameters must be leaves, got the result of an op (${name}). Make it with tensor(..., { requiresGrad: true }).`,
      );
    }
    if (seen.has(p)) {
      throw new ArgumentError(`${owner}: every parameter must be given once, got ${name} twice`);
    }
    seen.add(p);
    checked.set(name, p);
  }
  return checked;
}
