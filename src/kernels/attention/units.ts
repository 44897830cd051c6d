// Which attention goes by matrix units, and its shaders with and without them.

import { matrixShape, matrixTilesOf } from "../matmul/matrixTiles.ts";
import type { AdapterFacts, SubgroupMatrixShape, WgslShader } from "../../tensor/wgsl.ts";
import { headShaders, type HeadShaders, type HeadTensors } from "./headSnippets.ts";
import type { StoredFloat } from "../storedFloats.ts";
import { registerProducts, type TileProducts } from "./tileSnippets.ts";
import { measuredAttention } from "./tileSizes.ts";
import { onUnits, unitProducts } from "./unitSnippets.ts";

/** Fewer queries or keys leave most of a unit's results unused. */
const FEWEST = 16;

/**
 * The shape of the units that an attention runs on, or null for registers: where products may be rounded to 11 bits and the
 * adapter has units with f16 operands.
 */
export function unitsOf(
  adapter: AdapterFacts,
  { queries, keys }: { readonly queries: number; readonly keys: number },
  rounds: boolean,
): SubgroupMatrixShape | null {
  if (!rounds || queries < FEWEST || keys < FEWEST) return null;
  if (measuredAttention(adapter)?.units === null) return null;
  const shape = matrixTilesOf(adapter, true)?.shape ?? matrixShape(adapter, true);
  return shape?.componentType === "f16" ? shape : null;
}

/**
 * The shaders that `make` writes, for units of each shape and for registers, each made once.
 */
export function shadersByUnits(
  tensors: HeadTensors,
  make: (products: TileProducts) => WgslShader,
): (units: SubgroupMatrixShape | null, stored?: StoredFloat) => HeadShaders {
  const made = new Map<string, HeadShaders>();
  return (units, stored = "f32") => {
    const key = `${stored} ${units === null ? "" : `${units.m}x${units.n}x${units.k}`}`;
    let shaders = made.get(key);
    if (shaders === undefined) {
      const shader = units === null ? make(registerProducts) : onUnits(make(unitProducts(units)));
      made.set(key, (shaders = headShaders(shader, tensors, stored)));
    }
    return shaders;
  };
}
