// Which linear layers a LoraConfig means, and the rank and scale of each (peft's check_target_module_exists
// and get_pattern_key).

import { ArgumentError } from "../../tensor/errors.ts";
import type { T5Config } from "../config.ts";
import { buildWeights, linearLayers, type Linear } from "../weights.ts";
import type { LoraConfig } from "./config.ts";
import { blockIndex, isKeptFromLora, matches, patternValue } from "./moduleNames.ts";

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
    .map((layer) => ({ layer, module: moduleOf(layer) }))
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
  const modules = layers.map(moduleOf);
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
  const shapes = buildWeights<readonly number[]>(
    config,
    config.tieWordEmbeddings,
    (_name, shape) => shape,
  );
  const layers = linearLayers(shapes);
  checkNames(layers, lora);
  return loraTargets(layers, lora).reduce((sum, { layer, r }) => {
    const [outputs, inputs] = layer.weight as readonly [number, number];
    return sum + r * (outputs + inputs);
  }, 0);
}

function moduleOf({ name }: { readonly name: string }): string {
  return name.replace(/\.weight$/, "");
}

function isChosenBlock(module: string, { layersToTransform, layersPattern }: LoraConfig): boolean {
  if (layersToTransform === null) return true;
  const index = blockIndex(module, layersPattern);
  return index !== null && [layersToTransform].flat().includes(index);
}

function sizes(module: string, config: LoraConfig): { r: number; scale: number } {
  const r = patternValue(config.rankPattern, module) ?? config.r;
  const alpha = patternValue(config.alphaPattern, module) ?? config.loraAlpha;
  return { r, scale: alpha / (config.useRslora ? Math.sqrt(r) : r) };
}
