import { logSoftmax } from "./softmax.ts";

/**
 * Mean over labels != ignoreIndex of (1 - e) nll + e mean_v(-log p_v) (transformers' LabelSmoother;
 * torch.nn.CrossEntropyLoss without smoothing). logits [R, V], labels [R].
 */
export function crossEntropy(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  V: number,
  { ignoreIndex = -100, labelSmoothing = 0 } = {},
): number {
  const logP = logSoftmax(logits, V);
  let total = 0;
  let count = 0;
  Array.from(labels).forEach((label, r) => {
    if (label === ignoreIndex) return;
    const row = logP.slice(r * V, (r + 1) * V);
    const spread = row.reduce((sum, value) => sum - value / V, 0);
    total += labelSmoothing === 0 ? -row[label]! : -(1 - labelSmoothing) * row[label]!;
    if (labelSmoothing > 0) total += labelSmoothing * spread;
    count++;
  });
  return total / count;
}
