// A webgpu device without a GPU: it takes commands, counts what it would dispatch, and does nothing. Unlike Dawn's null adapter
// (nullGpu.ts) it checks nothing, holds no memory, and is whatever card it is told to be: for counts of dispatches, at full size.

import type { AdapterFacts } from "../../src/tensor/wgsl.ts";
import { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";

/** What a card of today offers: units of 16x16x16 with f16 operands, subgroups of 32, 48 KB of workgroup memory. */
export const CARD: AdapterFacts = {
  ...{ name: "card", driver: "", vendor: "nvidia", architecture: "", software: false },
  features: new Set(["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"]),
  subgroupSize: { min: 32, max: 32 },
  subgroupMatrices: [{ componentType: "f16", resultType: "f32", m: 16, n: 16, k: 16 }],
  ...{ workgroupBytes: 49152, workgroupInvocations: 1024, bindingBytes: 2 ** 31 - 4 },
  ...{ bufferBytes: 2 ** 32, offsetAlignment: 256 },
};

/** The same card without matrix units. */
export const PLAIN_CARD: AdapterFacts = { ...CARD, subgroupMatrices: [] };

export interface CountingGpu {
  readonly device: WebGpuDevice;
  /** Dispatches that the GPU was given since `reset`, by the label of their pipeline. A kernel may be several. */
  readonly dispatches: ReadonlyMap<string, number>;
  /** Of all of them. */
  total(): number;
  reset(): void;
}

export function openCountingGpu(facts: AdapterFacts): CountingGpu {
  const dispatches = new Map<string, number>();
  const device = new WebGpuDevice(countingDevice(dispatches), facts);
  return {
    device,
    dispatches,
    total: () => [...dispatches.values()].reduce((sum, count) => sum + count, 0),
    reset: () => dispatches.clear(),
  };
}

/** As much of a GPUDevice as src/tensor/webgpu asks of one. */
function countingDevice(dispatches: Map<string, number>): GPUDevice {
  const nothing = (): void => undefined;
  const pass = () => {
    let label = "";
    return {
      setPipeline: (pipeline: { readonly label: string }) => void (label = pipeline.label),
      setBindGroup: nothing,
      dispatchWorkgroups: () => void dispatches.set(label, (dispatches.get(label) ?? 0) + 1),
      end: nothing,
    };
  };
  const buffer = ({ size }: { readonly size: number }) => ({
    size,
    mapState: "mapped",
    mapAsync: () => Promise.resolve(),
    getMappedRange: (_from: number, bytes: number) => new ArrayBuffer(bytes),
    unmap: nothing,
    destroy: nothing,
  });
  const labelled = ({ label }: { readonly label?: string }) => ({ label });
  const device = {
    limits: { maxBufferSize: 2 ** 32 },
    lost: new Promise(nothing),
    queue: { writeBuffer: nothing, submit: nothing, onSubmittedWorkDone: () => Promise.resolve() },
    addEventListener: nothing,
    removeEventListener: nothing,
    pushErrorScope: nothing,
    popErrorScope: () => Promise.resolve(null),
    createBuffer: buffer,
    createBindGroup: labelled,
    createBindGroupLayout: labelled,
    createPipelineLayout: labelled,
    createShaderModule: labelled,
    createComputePipelineAsync: (descriptor: { readonly label: string }) =>
      Promise.resolve(labelled(descriptor)),
    createCommandEncoder: () => ({
      beginComputePass: pass,
      clearBuffer: nothing,
      copyBufferToBuffer: nothing,
      finish: nothing,
    }),
    destroy: nothing,
  };
  return device as unknown as GPUDevice;
}
