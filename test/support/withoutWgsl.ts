// Kernels that have no WGSL body, by source file. test/meta/wgsl.test.ts holds this list to the truth: whoever writes a body
// takes its name out here. `cpuOnly` stays; the rest ends empty.

/** Kernels of f64, which WebGPU has not. */
export const cpuOnly: ReadonlySet<string> = new Set(["castF32ToF64", "castF64ToF32"]);

const missing: Readonly<Record<string, readonly string[]>> = {
  adamw: ["adamw", "adamwBf16", "adamwF16"],

  argmax: ["argmax", "topk"],

  attention: ["attentionForward"],

  attentionBackward: ["attentionBackwardKeyValue", "attentionBackwardQuery", "attentionStats"],

  cast: [
    "castBf16ToFloat",
    "castBoolToFloat",
    "castF16ToFloat",
    "castFloatToBf16",
    "castFloatToBool",
    "castFloatToF16",
    "castFloatToI32",
    "castFloatToU32",
    "castI32ToFloat",
    "castU32ToFloat",
  ],

  crossEntropy: ["crossEntropyBackward", "crossEntropyMean", "crossEntropyRows"],

  decodeAttention: ["decodeAttention"],

  dropout: ["dropout", "dropoutAdd"],

  embedding: ["embedding", "embeddingBackward", "embeddingBf16", "embeddingF16"],

  gatedGelu: ["gatedGeluBackward", "gatedGeluForward"],

  gatherRows: [
    "gatherRows",
    "gatherRowsBackward",
    "gatherRowsBf16",
    "gatherRowsF16",
    "gatherRowsI32",
    "gatherRowsU32",
  ],

  gradientNorm: ["clipScale", "sumOfSquares"],

  matmul: ["matmul", "matmulBf16", "matmulF16"],

  permute: ["permute", "permuteBf16", "permuteF16", "permuteI32", "permuteU32"],

  reduce: ["sum"],

  relativePositionBias: ["relativePositionBias", "relativePositionBiasBackward"],

  rmsNorm: ["rmsNormBackward", "rmsNormBackwardWeight", "rmsNormForward"],

  runningSum: ["addToSum"],

  shiftRight: ["shiftRight"],

  slice: ["copyRuns", "copyRunsBf16", "copyRunsF16", "copyRunsI32", "copyRunsU32"],

  softmax: ["logSoftmaxBackward", "logSoftmaxForward", "softmaxBackward", "softmaxForward"],
};

export const withoutWgsl: ReadonlySet<string> = new Set(Object.values(missing).flat());
