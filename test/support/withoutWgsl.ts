// Kernels that have no WGSL body, by source file. test/meta/wgsl.test.ts holds this list to the truth: whoever writes a body
// takes its name out here. `cpuOnly` stays; the rest ends empty.

/** Kernels of f64, which WebGPU has not. */
export const cpuOnly: ReadonlySet<string> = new Set(["castF32ToF64", "castF64ToF32"]);

const missing: Readonly<Record<string, readonly string[]>> = {
  attention: ["attentionForward"],

  attentionBackward: ["attentionBackwardKeyValue", "attentionBackwardQuery", "attentionStats"],

  decodeAttention: ["decodeAttention"],
};

export const withoutWgsl: ReadonlySet<string> = new Set(Object.values(missing).flat());
