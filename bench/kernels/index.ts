import { attentionBenches } from "./attention.ts";
import { biasBenches } from "./bias.ts";
import type { KernelBench } from "./kernelBench.ts";
import { matmulBenches } from "./matmul.ts";
import { movementBenches } from "./movement.ts";
import { optimizerBenches } from "./optimizer.ts";
import { pointwiseBenches } from "./pointwise.ts";
import { rowBenches } from "./rows.ts";
import { vocabularyBenches } from "./vocabulary.ts";

export const kernelBenches: readonly KernelBench[] = [
  ...matmulBenches,
  ...attentionBenches,
  ...biasBenches,
  ...rowBenches,
  ...pointwiseBenches,
  ...vocabularyBenches,
  ...movementBenches,
  ...optimizerBenches,
];
