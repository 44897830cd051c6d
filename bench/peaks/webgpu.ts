// What an adapter can do at best: multiply-adds in registers, and a copy of memory that no cache holds.

import { defineKernel, launch } from "../../src/kernels/kernel.ts";
import { empty } from "../../src/tensor/tensor.ts";
import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { secondsPerRun } from "../gpu/timing.ts";
import { WGSL_SUMS, wgslMultiplyAdd } from "./multiplyAdd.ts";
import type { Peaks } from "./peaks.ts";

const plain = (): never => {
  throw new Error("bench: peaks of webgpu are measured on webgpu");
};

const multiplyAdd = defineKernel({
  name: "peakMultiplyAdd",
  inputs: {},
  outputs: { y: "f32" },
  params: { size: "u32", rounds: "u32", factor: "f32" },
  wgsl: {
    invocations: ({ size }) => size,
    source: wgslMultiplyAdd,
  },
  plain,
});

const copy = defineKernel({
  name: "peakCopy",
  inputs: { x: "f32" },
  outputs: { y: "f32" },
  params: { vectors: "u32" },
  wgsl: {
    invocations: ({ vectors }) => vectors,
    views: { x: "vec4<f32>", y: "vec4<f32>" },
    source: /* wgsl */ `
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = globalIndex(group, local);
  if (i < params.vectors) { y[i] = x[i]; }
}`,
  },
  plain,
});

/** @param quick for programs that play a GPU: less work, which a GPU would do before it has its clock up */
export async function measureGpuPeaks(device: WebGpuDevice, quick: boolean): Promise<Peaks> {
  const [size, rounds] = quick ? [2 ** 12, 64] : [2 ** 20, 2048];
  const y = empty(device, [size], "f32");
  const arithmetic = await secondsPerRun(
    device,
    () => launch(multiplyAdd, { y }, { size, rounds, factor: 0.999 }),
    quick,
  );
  y.dispose();
  const elements = Math.min(quick ? 2 ** 20 : 2 ** 27, Math.floor(device.adapter.bindingBytes / 4));
  const [from, to] = [empty(device, [elements], "f32"), empty(device, [elements], "f32")];
  const vectors = Math.floor(elements / 4);
  const copying = await secondsPerRun(
    device,
    () => launch(copy, { x: from, y: to }, { vectors }),
    quick,
  );
  from.dispose();
  to.dispose();
  return {
    flops: (2 * 4 * WGSL_SUMS * rounds * size) / arithmetic.seconds,
    bytes: (2 * 16 * vectors) / copying.seconds,
  };
}
