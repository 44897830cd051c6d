// Every access of workgroup memory is kept apart from those of other invocations by barriers, and every barrier is needed:
// without it, accesses meet. No adapter is asked: these are the texts that kinds of adapters would be given.

import { describe, expect, it, vi } from "vitest";
import { workOfAllKinds } from "../../bench/gpu/kernelWork.ts";
import { planOf } from "../../src/tensor/webgpu/launch.ts";
import { shaderInterface, shaderSource } from "../../src/tensor/webgpu/shaderSource.ts";
import type { AdapterFacts, WgslShader } from "../../src/tensor/wgsl.ts";
import { cpu } from "../support/device.ts";
import { readSource, sourceFiles } from "../support/sources.ts";
import { racesOf } from "../support/workgroupMemory.ts";

const plainGpu: AdapterFacts = {
  ...{
    name: "gpu",
    driver: "",
    vendor: "",
    architecture: "",
    software: false,
    features: new Set(),
  },
  ...{ subgroupSize: null, subgroupMatrices: [], workgroupBytes: 32768, workgroupInvocations: 256 },
  ...{ bindingBytes: 2 ** 27, bufferBytes: 2 ** 28, offsetAlignment: 256 },
};
const matrix = { componentType: "f16", resultType: "f32", m: 16, n: 16, k: 16 };
const onUnits = (subgroupMatrices: AdapterFacts["subgroupMatrices"]): AdapterFacts => ({
  ...plainGpu,
  features: new Set(["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"]),
  subgroupSize: { min: 32, max: 32 },
  subgroupMatrices,
});
const adapters: readonly AdapterFacts[] = [
  plainGpu,
  { ...plainGpu, software: true },
  // Units that take f32 as it is, and such as take it in two pieces of f16.
  onUnits([matrix, { ...matrix, componentType: "f32" }]),
  onUnits([matrix]),
];

/** The texts of all shaders that use workgroup memory, each once. */
async function sharingShaders(): Promise<string[]> {
  const sources = new Set<string>();
  const seen = new Map<WgslShader, Set<string>>();
  const dispatch = cpu.dispatch.bind(cpu);
  const spy = vi.spyOn(cpu, "dispatch");
  spy.mockImplementation((kernel, tensors, params, constants) => {
    dispatch(kernel, tensors, params, constants);
    for (const adapter of adapters) {
      const { passes, temporaries } = planOf(kernel, tensors, params, constants, adapter);
      for (const pass of passes) {
        const given = (name: string): boolean => Boolean(tensors[name]);
        const key = JSON.stringify([kernel.name, pass.workgroupSize, pass.constants, constants]);
        const keys = seen.get(pass.shader) ?? new Set();
        seen.set(pass.shader, keys);
        if (keys.has(key)) continue;
        keys.add(key);
        const shape = shaderInterface(kernel, pass.shader, temporaries);
        sources.add(shaderSource(kernel, pass, shape, constants, given));
      }
    }
  });
  await workOfAllKinds(cpu);
  spy.mockRestore();
  return [...sources].filter((source) => source.includes("var<workgroup>"));
}

const arraysOf = (text: string): string[] =>
  [...text.matchAll(/var<workgroup> (\w+)/g)].map((match) => match[1]!);

const shaders = await sharingShaders();

/** Each barrier with the lines around it, and how many accesses meet without it, in all shaders together. */
function barriers(): Map<string, number> {
  const found = new Map<string, number>();
  for (const source of shaders) {
    for (const { index, 0: barrier } of source.matchAll(/workgroupBarrier\(\);/g)) {
      const begin = source.lastIndexOf("\n", source.lastIndexOf("\n", index) - 1);
      const end = source.indexOf("\n", source.indexOf("\n", index) + 1);
      const place = source.slice(begin, end);
      const without = source.slice(0, index) + source.slice(index + barrier.length);
      found.set(place, (found.get(place) ?? 0) + racesOf(without).length);
    }
  }
  return found;
}

describe("workgroup memory", () => {
  it("is seen in every shader that declares it", () => {
    const declared = sourceFiles("src/kernels").flatMap((path) => arraysOf(readSource(path)));
    expect(new Set(shaders.flatMap(arraysOf))).toEqual(new Set(declared));
  });

  it("is never read or written where another invocation may write", () => {
    const races = shaders.flatMap((source) =>
      racesOf(source).map((race) => `${/^\/\/ .*/m.exec(source)![0]} ${race}`),
    );
    expect(races).toEqual([]);
  });

  it("needs every barrier", () => {
    const found = barriers();
    expect(found.size).toBeGreaterThan(20);
    const superfluous = [...found].filter(([, races]) => races === 0).map(([place]) => place);
    expect(superfluous).toEqual([]);
  });
});
