// Which linear layers a LoraConfig means, and the rank and scale of each (peft's check_target_module_exists
// and get_pattern_key).

import { ArgumentError } from "../../tensor/errors.ts";
import type { T5Config } from "../config.ts";
import { buildWeights, linearLayers, type Linear } from "../weights.ts";
import type { LoraConfig } from "./config.ts";

/** The output projection, which "all-linear" leaves out as peft does. */
const HEAD = "lm_head";

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
  const { targetModules, excludeModules } = config;
  const targets = layers
    .map((layer) => ({ layer, module: moduleOf(layer) }))
    .filter(
      ({ module }) =>
        matches(module, targetModules) &&
        !(excludeModules !== null && matches(module, excludeModules)) &&
        isChosenBlock(module, config),
    );
  if (targets.length === 0) {
    checkNames(layers, config);
    throw new ArgumentError(
      "LoraConfig: some layer must get an adapter, got none. Check excludeModules and layersToTransform.",
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

function matches(module: string, targets: string | readonly string[]): boolean {
  if (typeof targets !== "string") {
    return targets.some((target) => module === target || module.endsWith(`.${target}`));
  }
  if (targets.toLowerCase() === "all-linear") return module !== HEAD;
  return expression(`^(?:${targets})$`, targets).test(module);
}

function isChosenBlock(module: string, { layersToTransform, layersPattern }: LoraConfig): boolean {
  if (layersToTransform === null) return true;
  const patterns = layersPattern === null ? ["[^.]*"] : [layersPattern].flat();
  for (const pattern of patterns) {
    // Without a pattern the index must stand behind two names, with one it may begin the path.
    const before = layersPattern === null ? ".*?\\." : "(?:.*?\\.)?";
    const found = expression(`^${before}(?:${pattern})\\.(\\d+)\\.`, pattern).exec(module);
    if (found) return [layersToTransform].flat().includes(Number(found.at(-1)));
  }
  return false;
}

function sizes(module: string, config: LoraConfig): { r: number; scale: number } {
  const r = patternValue(config.rankPattern, module) ?? config.r;
  const alpha = patternValue(config.alphaPattern, module) ?? config.loraAlpha;
  return { r, scale: alpha / (config.useRslora ? Math.sqrt(r) : r) };
}

/** The value of the first key that the path ends in. */
function patternValue(
  patterns: Readonly<Record<string, number>>,
  module: string,
): number | undefined {
  return Object.entries(patterns).find(([key]) =>
    expression(`^(?:.*\\.)?(?:${key})$`, key).test(module),
  )?.[1];
}

function expression(source: string, given: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new ArgumentError(
      `LoraConfig: names must be regular expressions, got ${JSON.stringify(given)} (${(error as Error).message})`,
      { cause: error },
    );
  }
}
