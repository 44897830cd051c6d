// What docs/internals/webgpu.md promises a WGSL body, and what no op happens to exercise.

import { afterAll, describe, expect, it } from "vitest";
import { defineKernel, launch } from "../../../src/kernels/kernel.ts";
import { KernelError } from "../../../src/tensor/errors.ts";
import { empty, tensor, type Tensor } from "../../../src/tensor/tensor.ts";
import { openWebGpu } from "../../../src/tensor/webgpu/open.ts";
import type { WgslShader } from "../../../src/tensor/wgsl.ts";
import { gpu } from "../../support/gpu.ts";

const notHere = (): never => {
  throw new Error("runs on the GPU only");
};

function numbers(values: readonly number[], device = gpu): Tensor {
  return tensor(values, [values.length], { device });
}

const main = /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);`;

describe("grids", () => {
  const indexKernel = defineKernel({
    name: "writeIndex",
    inputs: {},
    outputs: { y: "u32" },
    params: { size: "u32" },
    wgsl: {
      workgroupSize: 1,
      invocations: ({ size }) => size,
      source: `${main} if (i < params.size) { y[i] = i + 1u; } }`,
    },
    plain: notHere,
  });

  it.each([1, 65535, 65536, 70001])("count through %i workgroups", async (size) => {
    const y = empty(gpu, [size], "u32");
    gpu.fillZero(y.storage);
    launch(indexKernel, { y }, { size });
    const found = await y.data();
    expect(found.findIndex((value, i) => value !== i + 1)).toBe(-1);
    y.dispose();
  });

  it("may be empty", async () => {
    const y = empty(gpu, [0], "u32");
    launch(indexKernel, { y }, { size: 0 });
    expect(await y.data()).toEqual(new Uint32Array(0));
  });
});

it("tells a body which optional tensors are there, to read and to write", async () => {
  const kernel = defineKernel({
    name: "optionalTensors",
    inputs: { x: "float", crossBias: "float?", mask: "float?" },
    outputs: { y: "float", first: "float?", second: "float?" },
    params: {},
    wgsl: {
      workgroupSize: 1,
      workgroups: () => 1,
      source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main() {
  y[0] = x[0];
  if (HAS_CROSS_BIAS) { y[0] += 10.0 * crossBias[0]; }
  if (HAS_MASK) { y[0] += 100.0 * mask[0]; }
  if (HAS_FIRST) { first[0] = 1.0; }
  if (HAS_SECOND) { second[0] = 2.0; }
}`,
    },
    plain: notHere,
  });
  const [x, y, second] = [numbers([1]), numbers([0]), numbers([0])];
  launch(kernel, { x, crossBias: null, mask: null, y, first: null, second: null }, {});
  expect(await y.item()).toBe(1);
  launch(kernel, { x, crossBias: numbers([2]), mask: null, y, first: null, second }, {});
  expect([await y.item(), await second.item()]).toEqual([21, 2]);
  launch(kernel, { x, crossBias: null, mask: numbers([3]), y, first: null, second: null }, {});
  expect(await y.item()).toBe(301);
});

it("lets a body read and write up to the next 16 bytes", async () => {
  const kernel = defineKernel({
    name: "wholeVectors",
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32" },
    wgsl: {
      views: { x: "vec4<f32>", y: "vec4<f32>" },
      invocations: ({ size }) => Math.ceil(size / 4),
      source: `${main} if (4u * i < params.size) { y[i] = 2.0 * x[i]; } }`,
    },
    plain: notHere,
  });
  for (const size of [1, 3, 5, 64, 65]) {
    const x = numbers(Array.from({ length: size }, (_, i) => i));
    const y = empty(gpu, [size], "f32");
    launch(kernel, { x, y }, { size });
    expect(await y.data()).toEqual(Float32Array.from({ length: size }, (_, i) => 2 * i));
  }
});

describe("plans", () => {
  const partial: WgslShader = {
    name: "partial",
    writes: ["parts"],
    params: { splits: "u32" },
    constants: { SCALE: "f32", NEGATE: "bool" },
    source: /* wgsl */ `${main}
  if (i >= params.splits) { return; }
  var total = 0.0;
  for (var j = i; j < params.size; j += params.splits) { total += x[j]; }
  parts[i] = select(SCALE, -SCALE, NEGATE) * total;
}`,
  };
  const rest: WgslShader = {
    name: "rest",
    reads: ["parts"],
    params: { splits: "u32" },
    source: /* wgsl */ `${main}
  if (i > 0u) { return; }
  for (var j = 0u; j < params.splits; j++) { y[0] += parts[j]; }
}`,
  };
  const kernel = defineKernel({
    name: "sumInTwoPasses",
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32" },
    constants: { SPLITS: "u32" },
    wgsl: {
      plan({ params: { size }, constants: { SPLITS }, tensors }) {
        expect(tensors["x"]).toEqual({ dtype: "f32", size, bytes: 4 * size });
        return {
          temporaries: { parts: { type: "f32", size: SPLITS } },
          passes: [
            {
              shader: partial,
              constants: { SCALE: 0.5, NEGATE: size > 100 },
              params: { splits: SPLITS },
              workgroupSize: 32,
              invocations: SPLITS,
            },
            { shader: rest, params: { splits: SPLITS }, workgroups: [1, 1, 1] },
          ],
        };
      },
    },
    plain: notHere,
  });

  it("run passes in order, over temporaries that are given back", async () => {
    for (const [size, factor] of [
      [100, 0.5],
      [101, -0.5],
    ] as const) {
      const x = numbers(Array.from({ length: size }, (_, i) => i));
      const y = numbers([1000]);
      const bytes = gpu.memory().bytes;
      launch(kernel, { x, y }, { size }, { SPLITS: 7 });
      expect(gpu.memory().bytes).toBe(bytes);
      expect(await y.item()).toBe(1000 + (factor * (size * (size - 1))) / 2);
    }
  });
});

describe("bindings larger than the adapter's", () => {
  const shader: WgslShader = {
    params: { first: "u32", count: "u32" },
    source: /* wgsl */ `${main} if (i < params.count) { y[i] = x[i] + f32(params.first + i); } }`,
  };
  const kernel = defineKernel({
    name: "addIndexInPieces",
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { size: "u32" },
    wgsl: {
      plan({ params: { size }, adapter }) {
        const most = adapter.bindingBytes / 4;
        const passes = [];
        for (let first = 0; first < size; first += most) {
          const range = { offset: first, size: Math.min(most, size - first) };
          passes.push({
            shader,
            params: { first, count: range.size },
            invocations: range.size,
            ranges: { x: range, y: range },
          });
        }
        return { passes };
      },
    },
    plain: notHere,
  });
  const whole = defineKernel({
    name: "addIndexAtOnce",
    inputs: { x: "float" },
    outputs: { y: "float" },
    params: { first: "u32", count: "u32" },
    wgsl: { source: shader.source, invocations: ({ count }) => count },
    plain: notHere,
  });

  it("are bound in pieces by a plan that does, and refused otherwise", async () => {
    const small = await openWebGpu({ bindingBytes: 1024 });
    afterAll(() => small.close());
    const size = 700;
    const x = numbers(new Array<number>(size).fill(1), small);
    const y = empty(small, [size], "f32");
    launch(kernel, { x, y }, { size });
    expect(await y.data()).toEqual(Float32Array.from({ length: size }, (_, i) => 1 + i));
    expect(() => launch(whole, { x, y }, { first: 0, count: size })).toThrow(KernelError);
    expect(() => launch(whole, { x, y }, { first: 0, count: size })).toThrow(
      "x must fit in a binding of 1024 bytes on this adapter, got 2800.",
    );
  });
});
