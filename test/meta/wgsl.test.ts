// Every kernel has a WGSL body, but for those that test/support/withoutWgsl.ts names; and it names no others.

import { describe, expect, it } from "vitest";
import { definedKernels } from "../../src/kernels/kernel.ts";
import { sourceFiles } from "../support/sources.ts";
import { cpuOnly, withoutWgsl } from "../support/withoutWgsl.ts";

for (const path of sourceFiles("src/kernels")) await import(/* @vite-ignore */ `../../${path}`);

describe("WGSL bodies", () => {
  const kernels = [...definedKernels().values()];

  it("sees the kernels", () => {
    expect(kernels.length).toBeGreaterThan(60);
  });

  it("are there for every kernel not known to lack one", () => {
    const missing = kernels.filter(({ wgsl }) => wgsl === undefined).map(({ name }) => name);
    expect(missing.sort()).toEqual([...withoutWgsl, ...cpuOnly].sort());
  });
});
