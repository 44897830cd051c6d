// Calls are prepared once: those that differ in params that vary, which every dispatch brings along, and those of many sizes.

import { describe, expect, it } from "vitest";
import { defineKernel, launch } from "../../../src/kernels/kernel.ts";
import { empty, full } from "../../../src/tensor/tensor.ts";
import type { WgslShader } from "../../../src/tensor/wgsl.ts";
import { openNullGpu } from "../../../scripts/adapters/nullGpu.ts";
import { gpu } from "../../support/gpu.ts";

const shader: WgslShader = {
  source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.size) { y[i] = params.rate * x[i] + f32(params.offset); }
}`,
};
const declaration = {
  inputs: { x: "f32" },
  outputs: { y: "f32" },
  params: { size: "u32", rate: "f32", offset: "u32" },
  varying: ["rate", "offset"],
  plain: () => undefined,
} as const;

let planned = 0;
const kernel = defineKernel({
  ...declaration,
  name: "varyingParams",
  wgsl: {
    plan({ params: { size } }) {
      planned++;
      return { passes: [{ shader, invocations: size }] };
    },
  },
});

const curious = defineKernel({
  ...declaration,
  name: "curiousPlan",
  wgsl: { plan: ({ params }) => ({ passes: [{ shader, invocations: params.offset }] }) },
});

describe("params that vary", () => {
  it("reach each dispatch, and the call is planned once", async () => {
    const x = full([4], 2, { device: gpu });
    const calls = [
      { rate: 0.5, offset: 1 },
      { rate: -3, offset: 0 },
      { rate: 0.5, offset: 4_000_000 },
    ];
    const results = calls.map((values) => {
      const y = empty(gpu, [4], "f32");
      launch(kernel, { x, y }, { size: 4, ...values });
      return y;
    });
    for (const [i, { rate, offset }] of calls.entries()) {
      expect([...(await results[i]!.data())]).toEqual(new Array(4).fill(2 * rate + offset));
    }
    expect(planned).toBe(1);
  });

  it("leave a plan with all that was asked before, whatever powers of two its sizes have", async () => {
    const device = await openNullGpu(); // which runs no shader
    const x = full([4], 2, { device });
    const y = empty(device, [4], "f32");
    const before = planned;
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 1; i <= 1000; i++)
        launch(kernel, { x, y }, { size: 65_536 * i, rate: 1, offset: 0 });
    }
    expect(planned - before).toBe(1000);
    await device.close();
  });

  it("may not decide a plan", () => {
    const x = full([4], 2, { device: gpu });
    const y = empty(gpu, [4], "f32");
    expect(() => launch(curious, { x, y }, { size: 4, rate: 1, offset: 3 })).toThrow(
      "kernel curiousPlan: plans may not look at offset, which varies",
    );
  });
});
