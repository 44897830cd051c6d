// Weights of the base model that belong to an adapter whole: those of modules_to_save, which are trained, and those that a
// file brings with other values than the base model has (peft's save_embedding_layers, and biases of old versions).

import { copyInto } from "../../kernels/moves/gatherRows.ts";
import type { StorageArray } from "../../tensor/dtype.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { keep, scope } from "../../tensor/scope.ts";
import { empty, type Tensor } from "../../tensor/tensor.ts";
import type { LoraModel, WholeWeight } from "./loraModel.ts";

/** What to attach: the name of a parameter, and values where they are not the model's own. */
export interface NewWeight {
  readonly name: string;
  readonly values?: StorageArray;
  readonly trained: boolean;
}

/** @throws {ArgumentError} for a weight of q8: it cannot be trained */
export function checkWhole(name: string, { dtype }: Tensor): void {
  if (dtype !== "q8") return;
  throw new ArgumentError(
    `LoraConfig: modulesToSave must name modules whose weights are floats, got ${name} in int8. ` +
      'Leave it out, or load the model with dtype "f32" or "bf16".',
  );
}

/** Puts values into the model, keeps those from before, and makes trainable what is trained. The model must be frozen. */
export function attachWhole(model: LoraModel, weights: readonly NewWeight[]): WholeWeight[] {
  const parameters = model.parameters();
  return weights.map(({ name, values, trained }) => {
    const weight = parameters.get(name)!;
    const original = copyOf(weight);
    if (values !== undefined) model.device.write(weight.storage, weight.dtype, values);
    weight.requiresGrad = trained;
    return { name, weight, original };
  });
}

/** @param kept whether the model keeps the adapter's values, or takes back its own */
export function detachWhole(weights: readonly WholeWeight[], kept: boolean): void {
  for (const { weight, original } of weights) {
    weight.requiresGrad = false; // values are not written under a tape
    if (!kept) scope(() => copyInto(weight, original, { axis: 0, offset: 0 }));
    original.dispose();
  }
}

function copyOf(weight: Tensor): Tensor {
  const copy = keep(empty(weight.device, weight.shape, weight.dtype));
  copyInto(copy, weight, { axis: 0, offset: 0 });
  return copy;
}
