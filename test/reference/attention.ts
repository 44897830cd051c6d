// Attention by its definition, one query at a time (arXiv 1706.03762 eq. 1 with T5's bias; docs/guide/hugging-face-semantics.md
// 1.6). Independent of src/kernels/attention/forward.ts: -Infinity hides keys, and hidden rows are a case of their own.

import { dropoutMask } from "./philox.ts";

export interface AttentionCase {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly D: number;
  /** [H, T, S] */
  readonly bias?: ArrayLike<number> | null;
  /** [B, S] */
  readonly mask?: ArrayLike<number> | null;
  readonly causal?: boolean;
  readonly scale?: number;
  readonly dropout?: { p: number; seed: number; offset: number } | null;
}

/** q [B, T, H*D], k and v [B, S, H*D] -> [B, T, H*D] */
export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  { B, T, S, H, D, bias, mask, causal = false, scale = 1, dropout }: AttentionCase,
): Float64Array {
  const C = H * D;
  const y = new Float64Array(B * T * C);
  const factors = dropout
    ? dropoutMask(B * H * T * S, dropout.p, dropout.seed, dropout.offset)
    : null;
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const scores = Array.from({ length: S }, (_, s) => {
          if (mask?.[b * S + s] === 0) return -Infinity;
          if (causal && s > S - T + t) return -Infinity;
          let product = 0;
          for (let d = 0; d < D; d++) {
            product += q[(b * T + t) * C + h * D + d]! * k[(b * S + s) * C + h * D + d]!;
          }
          return scale * product + (bias?.[(h * T + t) * S + s] ?? 0);
        });
        softmax(scores).forEach((probability, s) => {
          const weight = probability * (factors?.[((b * H + h) * T + t) * S + s] ?? 1);
          for (let d = 0; d < D; d++) {
            y[(b * T + t) * C + h * D + d]! += weight * v[(b * S + s) * C + h * D + d]!;
          }
        });
      }
    }
  }
  return y;
}

/** Of one row; uniform when every entry is -Infinity. */
function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  if (most === -Infinity) return scores.map(() => 1 / scores.length);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}
