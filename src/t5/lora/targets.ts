// Which linear layers a LoraConfig means, and the rank and scale of each (peft's check_target_module_exists
// and get_pattern_key).

import { ArgumentError } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { T5Config } from "../config.ts";
import { buildWeights, linearLayers, type Linear } from "../weights.ts";
import type { LoraConfig } from "./config.ts";
import { blockIndex, isKeptFromLora, matches, moduleOf, patternValue } from "./moduleNames.ts";
import { namesToSave } from "./modulesToSave.ts";

export interface LoraTarget<T> {
  readonly layer: Linear<T>;
  /** Path of the layer in transformers' model: "encoder.block.0.layer.0.SelfAttention.q". */
  readonly module: string;
  readonly r: number;
  /** What the adapter's output is multiplied by. */
  readonly scale: number;
}

/**
 * The layers that get an adapter, in the order of the network. As in peft, names that match no layer do no
 * harm beside others that do.
 * @throws {ArgumentError} when nothing matches
 */
export function loraTargets<T>(
  layers: readonly Linear<T>[],
  config: LoraConfig,
): readonly LoraTarget<T>[] {
  const { targetModules, excludeModules, modulesToSave } = config;
  const targets = layers
    .map((layer) => ({ layer, module: moduleOf(layer.name) }))
    .filter(
      ({ module }) =>
        matches(module, targetModules) &&
        !(excludeModules !== null && matches(module, excludeModules)) &&
        !isKeptFromLora(module, modulesToSave) &&
        isChosenBlock(module, config),
    );
  if (targets.length === 0) {
    checkNames(layers, config);
    throw new ArgumentError(
      "LoraConfig: some layer must get an adapter, got none. Check excludeModules, layersToTransform and modulesToSave.",
    );
  }
  return targets.map(({ layer, module }) => ({ layer, module, ...sizes(module, config) }));
}

/** @throws {ArgumentError} when a name in targetModules or excludeModules matches no layer: a slip of the pen */
export function checkNames(
  layers: readonly Linear<unknown>[],
  { targetModules, excludeModules }: LoraConfig,
): void {
  const modules = layers.map(({ name }) => moduleOf(name));
  for (const [field, names] of Object.entries({ targetModules, excludeModules })) {
    if (names === null) continue;
    const unknown = (typeof names === "string" ? [names] : names.map((name) => [name])).find(
      (each) => !modules.some((module) => matches(module, each)),
    );
    if (unknown === undefined) continue;
    const known = new Set(modules.map((module) => module.slice(module.lastIndexOf(".") + 1)));
    throw new ArgumentError(
      `LoraConfig: ${field} must match linear layers of the model, got ${JSON.stringify([unknown].flat()[0])}. ` +
        `Layers are called ${[...known].join(", ")}.`,
    );
  }
}

/**
 * Trainable weights of an adapter, from the configurations alone.
 * @throws {ArgumentError} as `addLora`
 */
export function countLoraParameters(config: T5Config, lora: LoraConfig): number {
  const sizes = new Map<string, number>();
  const shapes = buildWeights<readonly number[]>(
    config,
    config.tieWordEmbeddings,
    (name, shape) => {
      sizes.set(name, sizeOf(shape));
      return shape;
    },
  );
  const layers = linearLayers(shapes);
  checkNames(layers, lora);
  const whole = namesToSave(lora, sizes.keys()).map((name) => sizes.get(name)!);
  const lowRank = loraTargets(layers, lora).map(({ layer, r }) => {
    const [outputs, inputs] = layer.weight as readonly [number, number];
    return r * (outputs + inputs);
  });
  return [...whole, ...lowRank].reduce((sum, size) => sum + size, 0);
}

/** A whole path in targetModules is meant whatever the block. */
function isChosenBlock(module: string, config: LoraConfig): boolean {
  const { targetModules, layersToTransform, layersPattern } = config;
  if (layersToTransform === null || targetModules.includes(module)) return true;
  const index = blockIndex(module, layersPattern);
  return index !== null && [layersToTransform].flat().includes(index);
}

function sizes(module: string, config: LoraConfig): { r: number; scale: number } {
  const r = patternValue(config.rankPattern, module) ?? config.r;
  const alpha = patternValue(config.alphaPattern, module) ?? config.loraAlpha;
  return { r, scale: alpha / (config.useRslora ? Math.sqrt(r) : r) };
}
