// Everything differentiable: the ops, backward, and what checks them.

export { attention, type AttentionOptions } from "./ops/attention.ts";
export type { PackedRows } from "../kernels/attention/packedRows.ts";
export { cast } from "./ops/cast.ts";
export { crossEntropy } from "./ops/crossEntropy.ts";
export { dropout, dropoutAdd } from "./ops/dropout.ts";
export { embedding } from "./ops/embedding.ts";
export { gatedGelu } from "./ops/gatedGelu.ts";
export { gatherRows } from "./ops/gatherRows.ts";
export { layerNorm } from "./ops/layerNorm.ts";
export { matmul } from "./ops/matmul.ts";
export { mseLoss } from "./ops/mseLoss.ts";
export * from "./ops/pointwise.ts";
export { mean, sum } from "./ops/reduce.ts";
export { relativePositionBias } from "./ops/relativePositionBias.ts";
export { rmsNorm, type RmsNormOptions } from "./ops/rmsNorm.ts";
export { roundTo } from "./ops/roundTo.ts";
export * from "./ops/shape.ts";
export { logSoftmax, softmax } from "./ops/softmax.ts";

export { assign } from "./assign.ts";
export { backward } from "./backward.ts";
export { checkpoint } from "./checkpoint.ts";
export { detectAnomaly, type DetectAnomalyOptions } from "./detectAnomaly.ts";
export { gradcheck, type GradcheckOptions } from "./gradcheck.ts";
export type { KeepOptions } from "./keptCopies.ts";
export { dot, enableGrad, isGradEnabled, noGrad, toGraphviz } from "./tape.ts";
