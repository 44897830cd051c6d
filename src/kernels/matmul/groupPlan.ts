// How several products of one shape run: on a GPU's matrix units in one dispatch, elsewhere one after another, each as it runs
// alone.

import type { WasmPass, WasmPlanned, WasmPlannedFunction } from "../../tensor/wasm.ts";
import type { WgslPass, WgslPlan, WgslTemporary } from "../../tensor/wgsl.ts";
import { groupOf, isSum, productsOf, type Group } from "./groupBindings.ts";
import { matrixPasses, type MatrixStrategy } from "./matrixPasses.ts";
import { chooseMatrices, chooseRoundingStrategy, chooseStrategy, planProduct } from "./plan.ts";
import { productOf, type MatmulCall, type Product } from "./product.ts";
import type { StoredB } from "./storedB.ts";

/** The plan on webgpu. */
export function planGroup(call: MatmulCall, stored: StoredB, rounds: boolean): WgslPlan {
  const group = groupOf(call.tensors);
  const product = productOf(call, stored);
  if (product.m * product.n === 0) return { passes: [] };
  const whole = wholeOf(product, group);
  const strategy = strategyOf(whole, product, call, rounds);
  if (strategy) return matrixPasses(whole, strategy, call.adapter, group);
  return planEach(call, group, stored, rounds);
}

/** The products as one: layers side by side, or one with the k of all. */
function wholeOf(product: Product, group: Group): Product {
  return isSum(group) ? { ...product, k: product.k * group.a } : { ...product, batches: group.c };
}

/** The one dispatch; null where there are no units for it, or the products are better split or cut. */
function strategyOf(
  whole: Product,
  { k }: Product,
  { tensors, adapter }: MatmulCall,
  rounds: boolean,
): MatrixStrategy | null {
  const fit = Object.values(tensors).every((x) => x === null || x.bytes <= adapter.bindingBytes);
  const strategy = fit ? chooseMatrices(whole, adapter, rounds) : null;
  if (strategy === null || strategy.splits > 1) return null;
  // Steps of k that are in workgroup memory at once belong to one product.
  return k === whole.k || k % strategy.tile.tileK === 0 ? strategy : null;
}

function planEach(call: MatmulCall, group: Group, stored: StoredB, rounds: boolean): WgslPlan {
  const choose = rounds ? chooseRoundingStrategy : chooseStrategy;
  const temporaries: Record<string, WgslTemporary> = {};
  const passes: WgslPass[] = [];
  for (const { tensors: names, constants: own } of productsOf(group)) {
    const tensors = Object.fromEntries(
      Object.entries(names).map(([name, binding]) => [name, call.tensors[binding]!]),
    );
    const constants = { ...call.constants, ...own };
    const plan = planProduct({ ...call, tensors, constants }, stored, choose);
    // One product follows another, so all have the temporaries of the largest.
    for (const [name, { type, size }] of Object.entries(plan.temporaries ?? {})) {
      temporaries[name] = { type, size: Math.max(size, temporaries[name]?.size ?? 0) };
    }
    for (const pass of plan.passes) {
      passes.push({ ...pass, tensors: names, constants: { ...own, ...pass.constants } });
    }
  }
  return { passes, temporaries };
}

/** The WebAssembly body: that of a product, for each of them. */
export function wasmGroup<P, C>(product: WasmPlanned<P, C>): WasmPlanned<P, C> {
  const ofGroup = new Map<WasmPlannedFunction, WasmPlannedFunction>(
    product.functions.map((each) => [each, { ...each, reads: ["a", "b"], writes: ["c"] }]),
  );
  return {
    functions: [...ofGroup.values()],
    plan(call) {
      const passes = productsOf(groupOf(call.tensors)).flatMap((own): WasmPass[] =>
        product.plan(call).passes.map((pass) => ({
          ...pass,
          ...own,
          function: ofGroup.get(pass.function)!,
        })),
      );
      return { passes };
    },
  };
}
