// Every kernel has a WGSL body, but for those of f64.

import { describe, expect, it } from "vitest";
import { definedKernels } from "../../src/kernels/kernel.ts";
import { sourceFiles } from "../support/sources.ts";

/** Kernels of f64, which WebGPU has not. */
const cpuOnly = ["castF32ToF64", "castF64ToF32"];

for (const path of sourceFiles("src/kernels")) await import(/* @vite-ignore */ `../../${path}`);

describe("WGSL bodies", () => {
  const kernels = [...definedKernels().values()];

  it("sees the kernels", () => {
    expect(kernels.length).toBeGreaterThan(60);
  });

  it("are there for every kernel", () => {
    const missing = kernels.filter(({ wgsl }) => wgsl === undefined).map(({ name }) => name);
    expect(missing.sort()).toEqual(cpuOnly);
  });
});
