import { attentionBenches } from "./attention.ts";
import type { KernelBench } from "./kernelBench.ts";
import { matmulBenches } from "./matmul.ts";
import { rowBenches } from "./rows.ts";

export const kernelBenches: readonly KernelBench[] = [
  ...matmulBenches,
  ...attentionBenches,
  ...rowBenches,
];
