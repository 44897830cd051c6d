// gradloom/kernels: kernels of one's own, with a WGSL and a plain TypeScript body, and ops made of them.

export { record, type Recording, type RuleContext, type Saved } from "./autograd/tape.ts";
export { defineKernel, launch } from "./kernels/kernel.ts";
export type {
  BindingArray,
  BindingArrays,
  Bindings,
  BindingTensor,
  BindingTensors,
  Kernel,
  KernelDeclaration,
  ScalarParams,
  ScalarValues,
} from "./kernels/kernel.ts";
export { safeExp, safeTanh } from "./kernels/wgsl/math.ts";
export { workgroupMax, workgroupSum } from "./kernels/wgsl/reduce.ts";
export type { BindingDeclaration, BindingType } from "./tensor/device.ts";
export type { StorageArray, StorageArrayOf } from "./tensor/dtype.ts";
export { empty } from "./tensor/tensor.ts";
export type {
  AdapterFacts,
  BindingRange,
  BoundTensor,
  Scalars,
  ScalarType,
  SubgroupMatrixShape,
  WgslBody,
  WgslCall,
  WgslPass,
  WgslPieces,
  WgslPlan,
  WgslPlanned,
  WgslShader,
  WgslSingle,
  WgslSnippet,
  WgslTemporary,
  Workgroups,
} from "./tensor/wgsl.ts";
