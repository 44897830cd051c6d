// LoRA: the weights of a model stand still, and a low-rank product learns what to add to some of its linear
// layers (Hu et al. 2021, arXiv 2106.09685). Sizes, initialisation and scaling are peft's.

import { castForward } from "../../kernels/pointwise/cast.ts";
import { copyInto } from "../../kernels/moves/gatherRows.ts";
import { matmulForward } from "../../kernels/matmul/matmul.ts";
import { addForward, scalarForward } from "../../kernels/pointwise/pointwise.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { Generator, normalArray, uniformArray } from "../../tensor/philox.ts";
import { keep, scope } from "../../tensor/scope.ts";
import { empty, tensor, type Tensor } from "../../tensor/tensor.ts";
import { linearLayers, type Linear, type LoraAdapter } from "../weights.ts";
import type { AdapterValues } from "./adapterTensors.ts";
import { LoraConfig } from "./config.ts";
import type { AttachedLora, LoraModel } from "./loraModel.ts";
import { checkNames, loraTargets, type LoraTarget } from "./targets.ts";
import { checkModulesToSave, namesToSave } from "./modulesToSave.ts";
import { attachWhole, checkWhole, detachWhole } from "./wholeWeights.ts";

/**
 * Freezes the model and gives the layers that `config` names an adapter each. Until it is trained the model gives
 * what it gave before (unless initLoraWeights is false).
 * @param options `seed` of the adapter's first values, 42 by default
 * @throws {ArgumentError} when the model has an adapter, or a name matches no layer
 */
export function addLora(
  model: LoraModel,
  config: LoraConfig = new LoraConfig(),
  options: { readonly seed?: number } = {},
): void {
  checkNone("addLora", model);
  const layers = linearLayers(model.weights);
  checkNames(layers, config);
  const names = [...model.parameters().keys()];
  const whole = namesToSave(config, names).map((name) => ({ name, trained: true }));
  checkModulesToSave(config, names);
  for (const { name } of whole) checkWhole(name, model.parameters().get(name)!);
  const random = new Generator(options.seed ?? 42);
  const lora: AdapterValues["lora"] = ({ layer, r }, part) => {
    const [outputs, inputs] = layer.weight.shape as [number, number];
    return initial(config, { r, inputs, outputs }, part, random);
  };
  attachLora(model, config, loraTargets(layers, config), { lora, whole });
}

/**
 * Adds each adapter's product to its layer's weight: generation is as fast as without adapters, and the model can be
 * saved as a whole. A copy of each such weight is kept for `unmergeLora`. A weight of q8 becomes f32: the product would be lost
 * among steps of 8 bits.
 * @param options with `unload` nothing is kept: the adapters are gone for good, and what was trainable before is so
 *   again (peft's merge_and_unload). Modules that were trained whole stay as they are in either case
 * @throws {ArgumentError} when the model has no adapter, or it is merged
 */
export function mergeLora(model: LoraModel, options: { readonly unload?: boolean } = {}): void {
  const { targets } = attached("mergeLora", model);
  if (isMerged(model)) {
    if (options.unload) return detachLora(model, true);
    throw new ArgumentError(
      "mergeLora: the adapter must not be merged already, got a merged one. Call unmergeLora(model) first.",
    );
  }
  for (const { layer } of targets) merge(model, layer, options.unload ?? false);
  if (options.unload) detachLora(model, true);
}

/**
 * Takes the adapters out of the weights again, which are then what they were before `mergeLora`, bit for bit.
 * @throws {ArgumentError} when the model has no merged adapter
 */
export function unmergeLora(model: LoraModel): void {
  const { targets } = attached("unmergeLora", model);
  if (!isMerged(model)) {
    throw new ArgumentError(
      "unmergeLora: the adapter must be merged, got one that is not. Call mergeLora(model) first.",
    );
  }
  for (const { layer } of targets) restore(model, layer);
}

/**
 * Takes the adapters away, merged or not: the model is the base model again, and as trainable as it was.
 * @throws {ArgumentError} when the model has no adapter
 */
export function removeLora(model: LoraModel): void {
  const { targets } = attached("removeLora", model);
  for (const { layer } of targets) if (layer.lora!.original) restore(model, layer);
  detachLora(model, false);
}

/** Whether the adapters are part of the weights now. */
export function isMerged(model: LoraModel): boolean {
  return model.lora?.targets.some(({ layer }) => layer.lora!.original !== null) ?? false;
}

/** @internal The adapters' weights by name: "encoder.block.0.layer.0.SelfAttention.q.lora_A.weight". */
export function loraParameters({ targets }: AttachedLora): [string, Tensor][] {
  return targets.flatMap(({ layer, module }): [string, Tensor][] => [
    [`${module}.lora_A.weight`, layer.lora!.a],
    [`${module}.lora_B.weight`, layer.lora!.b],
  ]);
}

/** @internal Freezes the model and hangs adapters with the given values, row-major, on its layers. */
export function attachLora(
  model: LoraModel,
  config: LoraConfig,
  targets: readonly LoraTarget<Tensor>[],
  { lora, whole }: AdapterValues,
): void {
  const frozen = [...model.parameters().values()].filter((x) => x.requiresGrad);
  const { device } = model;
  const leaf = (target: LoraTarget<Tensor>, part: "a" | "b", shape: readonly number[]): Tensor =>
    keep(tensor(lora(target, part), shape, { device, dtype: "f32", requiresGrad: true }));
  for (const target of targets) {
    const [outputs, inputs] = target.layer.weight.shape as [number, number];
    target.layer.lora = {
      a: leaf(target, "a", [target.r, inputs]),
      b: leaf(target, "b", [outputs, target.r]),
      scale: target.scale,
      dropout: config.loraDropout,
      original: null,
    };
  }
  for (const x of frozen) x.requiresGrad = false;
  model.lora = { config, targets, frozen, whole: attachWhole(model, whole) };
}

/** @internal @throws {ArgumentError} when the model has an adapter */
export function checkNone(op: string, model: LoraModel): void {
  if (model.lora === null) return;
  throw new ArgumentError(
    `${op}: the model must have no adapter, got one of rank ${model.lora.config.r}. Call removeLora(model) first.`,
  );
}

/** @internal @throws {ArgumentError} when the model has no adapter */
export function attached(op: string, model: LoraModel): AttachedLora {
  if (model.lora !== null) return model.lora;
  throw new ArgumentError(
    `${op}: the model must have an adapter, got none. Call addLora or loadLora first.`,
  );
}

/** @param kept whether modules that were trained whole stay as the adapter has them */
function detachLora(model: LoraModel, kept: boolean): void {
  const { targets, frozen, whole } = model.lora!;
  for (const { layer } of targets) {
    freeAdapter(layer.lora!);
    layer.lora = null;
  }
  detachWhole(whole, kept);
  for (const x of frozen) x.requiresGrad = true;
  model.lora = null;
}

/** @internal Frees the adapter of a model that is freed itself. */
export function disposeLora({ targets, whole }: AttachedLora): void {
  for (const { layer } of targets) if (layer.lora) freeAdapter(layer.lora);
  for (const { original } of whole) original.dispose();
}

function freeAdapter({ a, b, original }: LoraAdapter): void {
  a.dispose();
  b.dispose();
  original?.dispose();
}

/** weight += scale B A, computed in f32 and rounded once to the weight's dtype; of q8 weight = f32(weight) + scale B A. */
function merge(model: LoraModel, layer: Linear, unload: boolean): void {
  const { weight } = layer;
  const lora = layer.lora!;
  const isQuantized = weight.dtype === "q8";
  const sum = scope(() => {
    const change = scalarForward("mulScalar", matmulForward(lora.b, lora.a), lora.scale);
    const wide = addForward(castForward(weight, "f32"), change);
    return isQuantized ? wide : castForward(wide, weight.dtype);
  });
  if (isQuantized) {
    model.replaceWeight(layer, keep(sum));
    if (unload) weight.dispose();
    else lora.original = weight;
    return;
  }
  if (!unload) {
    lora.original = keep(empty(weight.device, weight.shape, weight.dtype));
    copyInto(lora.original, weight, { axis: 0, offset: 0 });
  }
  copyInto(weight, sum, { axis: 0, offset: 0 });
  sum.dispose();
}

function restore(model: LoraModel, layer: Linear): void {
  const { weight } = layer;
  const lora = layer.lora!;
  const original = lora.original!;
  lora.original = null;
  if (original.dtype === "q8") {
    model.replaceWeight(layer, original);
    weight.dispose();
    return;
  }
  copyInto(weight, original, { axis: 0, offset: 0 });
  original.dispose();
}

interface AdapterSizes {
  readonly r: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** torch's nn.Linear begins within 1 / sqrt(columns) (kaiming_uniform with a = sqrt(5)), and so does A. */
function initial(
  { initLoraWeights }: LoraConfig,
  { r, inputs, outputs }: AdapterSizes,
  part: "a" | "b",
  random: Generator,
): Float32Array {
  const uniform = (size: number, columns: number): Float32Array =>
    uniformArray(size, -(columns ** -0.5), columns ** -0.5, random);
  if (part === "b") {
    return initLoraWeights === false ? uniform(outputs * r, r) : new Float32Array(outputs * r);
  }
  return initLoraWeights === "gaussian"
    ? normalArray(r * inputs, 1 / r, random)
    : uniform(r * inputs, inputs);
}
