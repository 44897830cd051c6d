// The parameters that an optimizer is given, checked.

import { requireTensors } from "../tensor/requireTensors.ts";
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
  if (!Array.isArray(parameters) && !(parameters instanceof Map)) {
    throw new ArgumentError(
      `${owner}: parameters must be an array of tensors or a Map, got ${typeof parameters}. Pass model.parameters().`,
    );
  }
  for (const [key, p] of parameters.entries() as Iterable<[number | string, Tensor]>) {
    const name = String(key);
    requireTensors(owner, { [name]: p });
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
